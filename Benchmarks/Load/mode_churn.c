#include "worker.h"

/* Connections that come and go: open, --each calls, close, and again. One operation is a whole
   round; it is right if everything in it was. */

static void begin_round(client *client) {
  client->round = uv_hrtime();
  client_open(client);
}

static void go_on(client *client) {
  worker *worker = client->owner;
  if (client->calls < worker->options->each && !client->spent)
    client_call(client, uv_hrtime());
  else
    client_close(client);
}

static void opened(client *client) {
  go_on(client);
}

static void answered(client *client, fault fault) {
  if (fault != FAULT_NONE) {
    client->round = 0;
    worker_fault(client->owner, fault);
  }
  go_on(client);
}

static void event(client *client, uint64_t number) {
  (void)client, (void)number;
}

static void lost(client *client, fault fault) {
  client->round = 0;
  worker_fault(client->owner, fault);
}

static bool has_more(const worker *worker) {
  bool is_counted = worker->phase == PHASE_RUNNING && worker->options->calls > 0;
  return is_counted ? worker->calls_left > 0 : worker_is_loading(worker);
}

static void next_round(worker *worker, client *client) {
  if (!has_more(worker)) return;
  if (worker->options->calls > 0 && worker->phase == PHASE_RUNNING) worker->calls_left--;
  begin_round(client);
}

/* One that failed begins again by `resume`. */
static void closed(client *client) {
  worker *worker = client->owner;
  if (client->round == 0) return;
  worker_done(worker, client->round);
  client->round = 0;
  next_round(worker, client);
}

static const client_events events = {
    .opened = opened, .answered = answered, .event = event, .lost = lost, .closed = closed};

static void prepare(worker *worker) {
  unsigned count = (unsigned)worker_share(worker, worker->options->connections);
  hold goal = worker->options->each == 0 ? HOLD_CONNECT : HOLD_OPEN;
  worker_scenario(worker, &worker->crowd.scenario, &events);
  crowd_make(&worker->crowd, count, 0, worker_transport(worker), goal, worker);
  /* Nothing is open beforehand. */
  worker->crowd.begun = count;
}

static void resume(worker *worker) {
  for (unsigned i = 0; i < worker->crowd.count; i++) {
    client *client = &worker->crowd.clients[i];
    if (client->state == CLIENT_CLOSED) next_round(worker, client);
  }
}

static void enter(worker *worker, phase phase) {
  if (phase == PHASE_WARMING || phase == PHASE_RUNNING) resume(worker);
}

static bool is_settled(const worker *worker) {
  bool at_rest = crowd_count(&worker->crowd, CLIENT_CLOSED) == worker->crowd.count;
  if (worker->phase == PHASE_RUNNING)
    return worker->options->calls > 0 && worker->calls_left == 0 && at_rest;
  return worker->phase == PHASE_DRAINING && at_rest;
}

const mode mode_churn = {
    .prepare = prepare, .enter = enter, .resume = resume, .is_settled = is_settled};
