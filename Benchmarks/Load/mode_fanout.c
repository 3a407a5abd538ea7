#include <stdlib.h>

#include "worker.h"

/* Subscribers, and one publisher (in the first worker) that posts events when they are due. Each
   subscriber has to get every event once and in order; latency is from when the event was due. */

/* The publisher of this process. */
static crowd publisher;

/* ---- Subscribers ---- */

static void opened(client *client) {
  worker *worker = client->owner;
  client->next_event = 0;
  atomic_fetch_add_explicit(&worker->tally->open, 1, memory_order_relaxed);
  crowd_settled_one(&worker->crowd);
}

static void event(client *client, uint64_t number) {
  worker *worker = client->owner;
  uint64_t first = worker->board->first_event;
  uint64_t index = number - first;
  if (number < first || index >= worker->options->publications) return;
  if (index < client->next_event) {
    worker_fault(worker, FAULT_DUPLICATE);
    return;
  }
  for (; client->next_event < index; client->next_event++)
    worker_fault(worker, FAULT_LOST);
  client->next_event++;
  worker_done(worker, atomic_load(&worker->board->published[index]));
}

static void answered(client *client, fault fault) {
  (void)client, (void)fault;
}

static void lost(client *client, fault fault) {
  worker *worker = client->owner;
  worker_fault(worker, fault);
  if (client->step != STEP_DONE)
    crowd_settled_one(&worker->crowd);
  else
    atomic_fetch_sub_explicit(&worker->tally->open, 1, memory_order_relaxed);
}

static void closed(client *client) {
  (void)client;
}

static const client_events subscriber_events = {
    .opened = opened, .answered = answered, .event = event, .lost = lost, .closed = closed};

/* ---- The publisher ---- */

static void publish_due(void *context) {
  worker *worker = context;
  client *client = &publisher.clients[0];
  uint64_t due;
  if (client->state != CLIENT_READY || worker->pacer.taken == worker->options->publications) return;
  if (!pacer_take(&worker->pacer, &due)) return;
  uint64_t index = worker->pacer.taken - 1;
  atomic_store(&worker->board->published[index], due);
  /* A call takes the number after the last. */
  publisher.scenario.number = worker->board->first_event + index - 1;
  client_call(client, due);
}

static void publisher_opened(client *client) {
  worker *worker = client->owner;
  if (publisher.opening > 0)
    crowd_settled_one(&publisher);
  else
    publish_due(worker);
}

static void published(client *client, fault fault) {
  if (fault != FAULT_NONE) worker_fault(client->owner, fault);
  if (client->spent)
    client_close(client);
  else
    publish_due(client->owner);
}

static void publisher_lost(client *client, fault fault) {
  worker_fault(client->owner, fault);
  if (publisher.opening > 0) crowd_settled_one(&publisher);
}

static void publisher_closed(client *client) {
  worker *worker = client->owner;
  if (worker->phase == PHASE_RUNNING) client_open(client);
}

static const client_events publisher_events = {.opened = publisher_opened,
                                               .answered = published,
                                               .event = event,
                                               .lost = publisher_lost,
                                               .closed = publisher_closed};

static void prepare_publisher(worker *worker) {
  const options *options = worker->options;
  const char *body = options->publish_body != NULL ? options->publish_body : "event-{n} {padding}";
  SSL_CTX *tls = options->publish.tls ? connection_make_tls(options->authorities) : NULL;
  publisher.scenario = (scenario){
      .options = options,
      .era = ERA_NONE,
      .connector = {.loop = &worker->loop, .target = &options->publish, .tls = tls},
      .events = &publisher_events,
  };
  if (!template_make(&publisher.scenario.call, body, options->size)) exit(2);
  crowd_make(&publisher, 1, 0, &transport_http, HOLD_CONNECT, worker);
  crowd_pump(&publisher);
}

/* ---- The mode ---- */

static void prepare(worker *worker) {
  unsigned count = (unsigned)worker_share(worker, worker->options->connections);
  worker_scenario(worker, &worker->crowd.scenario, &subscriber_events);
  crowd_make(&worker->crowd, count, 0, worker_transport(worker), HOLD_LISTEN, worker);
  if (worker->index == 0) prepare_publisher(worker);
}

/* Events that subscribers did not get, one by one. */
static void count_missing(worker *worker) {
  for (unsigned i = 0; i < worker->crowd.count; i++) {
    client *client = &worker->crowd.clients[i];
    if (client->step != STEP_DONE) continue;
    for (; client->next_event < worker->options->publications; client->next_event++)
      worker_fault(worker, FAULT_LOST);
  }
}

static void enter(worker *worker, phase phase) {
  if (phase == PHASE_RUNNING && worker->index == 0)
    pacer_start(&worker->pacer, &worker->loop, worker->options->rate, 0, publish_due, worker);
  if (phase == PHASE_DRAINING) count_missing(worker);
  if (phase == PHASE_CLOSING && worker->index == 0) {
    pacer_stop(&worker->pacer);
    client_close(&publisher.clients[0]);
  }
}

static bool is_settled(const worker *worker) {
  if (worker->phase != PHASE_RUNNING) return worker->phase == PHASE_DRAINING;
  for (unsigned i = 0; i < worker->crowd.count; i++) {
    const client *client = &worker->crowd.clients[i];
    if (client->state == CLIENT_READY && client->next_event < worker->options->publications)
      return false;
  }
  return true;
}

const mode mode_fanout = {.prepare = prepare, .enter = enter, .is_settled = is_settled};
