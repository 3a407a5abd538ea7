#include <stdlib.h>

#include "worker.h"

/* Calls: in a closed loop each client makes the next when it has its answer; in an open one calls
   are due at their times, and wait for a client if all are busy. The mode `mix` is this beside a
   crowd that is held. */

/* Whether this worker has another call to make. */
static bool has_more(const worker *worker) {
  bool is_counted = worker->phase == PHASE_RUNNING && worker->options->calls > 0;
  return is_counted ? worker->calls_left > 0 : worker_is_loading(worker);
}

static void make_call(worker *worker, client *client, uint64_t due) {
  if (worker->options->calls > 0 && worker->phase == PHASE_RUNNING) worker->calls_left--;
  client_call(client, due);
}

/* ---- Open loop ---- */

/* What was due before the end has to be sent, however late. */
static bool is_due(worker *worker) {
  uint64_t ended = atomic_load_explicit(&worker->board->ended, memory_order_relaxed);
  if (worker->phase == PHASE_DRAINING && ended > 0) return pacer_next(&worker->pacer) < ended;
  return has_more(worker);
}

static void send_due(void *context) {
  worker *worker = context;
  uint64_t due;
  while (worker->free_count > 0 && is_due(worker) && pacer_take(&worker->pacer, &due))
    make_call(worker, worker->free[--worker->free_count], due);
}

static void set_free(worker *worker, client *client) {
  worker->free[worker->free_count++] = client;
  if (worker->pacer.due != NULL) send_due(worker);
}

static void not_free(worker *worker, const client *client) {
  for (unsigned i = 0; i < worker->free_count; i++) {
    if (worker->free[i] == client) worker->free[i--] = worker->free[--worker->free_count];
  }
}

static void begin_schedule(worker *worker) {
  const options *options = worker->options;
  double rate = options->rate / worker->board->workers;
  double offset = (double)worker->index / worker->board->workers;
  pacer_start(&worker->pacer, &worker->loop, rate, offset, send_due, worker);
}

/* ---- Clients ---- */

static void take_turn(worker *worker, client *client) {
  if (client->spent)
    client_close(client);
  else if (worker->options->rate > 0)
    set_free(worker, client);
  else if (has_more(worker))
    make_call(worker, client, uv_hrtime());
}

static void opened(client *client) {
  worker *worker = client->owner;
  atomic_fetch_add_explicit(&worker->tally->open, 1, memory_order_relaxed);
  if (worker->phase == PHASE_OPENING) crowd_settled_one(&worker->crowd);
  take_turn(worker, client);
}

static void answered(client *client, fault fault) {
  worker *worker = client->owner;
  if (fault == FAULT_NONE)
    worker_done(worker, client->due);
  else
    worker_fault(worker, fault);
  take_turn(worker, client);
}

static void event(client *client, uint64_t number) {
  (void)client, (void)number;
}

static void lost(client *client, fault fault) {
  worker *worker = client->owner;
  worker_fault(worker, fault);
  not_free(worker, client);
  if (client->step == STEP_DONE)
    atomic_fetch_sub_explicit(&worker->tally->open, 1, memory_order_relaxed);
  else if (worker->phase == PHASE_OPENING)
    crowd_settled_one(&worker->crowd);
}

/* One that the server has ended in order is replaced at once, one that failed by `resume`. */
static void closed(client *client) {
  worker *worker = client->owner;
  if (!client->spent) return;
  atomic_fetch_sub_explicit(&worker->tally->open, 1, memory_order_relaxed);
  if (worker_is_loading(worker)) client_open(client);
}

static const client_events events = {
    .opened = opened, .answered = answered, .event = event, .lost = lost, .closed = closed};

/* ---- The mode ---- */

static void prepare(worker *worker) {
  unsigned count = (unsigned)worker_share(worker, worker->options->connections);
  unsigned idle = (unsigned)worker_share(worker, worker->options->idle);
  worker_scenario(worker, &worker->crowd.scenario, &events);
  crowd_make(&worker->crowd, count, 0, worker_transport(worker), HOLD_OPEN, worker);
  worker->free = calloc(count, sizeof(client *));
  if (idle > 0) hold_prepare(worker, idle, count);
}

/* The load has to go on with as many connections as it was to have. */
static void resume(worker *worker) {
  for (unsigned i = 0; i < worker->crowd.count; i++) {
    client *client = &worker->crowd.clients[i];
    if (client->state == CLIENT_CLOSED) client_open(client);
  }
}

static void enter(worker *worker, phase phase) {
  bool begins = phase == PHASE_WARMING || (phase == PHASE_RUNNING && worker->pacer.due == NULL);
  if (phase == PHASE_CLOSING && worker->pacer.due != NULL) pacer_stop(&worker->pacer);
  if (phase != PHASE_WARMING && phase != PHASE_RUNNING) return;
  if (worker->options->rate > 0) {
    if (begins) begin_schedule(worker);
    return;
  }
  for (unsigned i = 0; i < worker->crowd.count; i++) {
    client *client = &worker->crowd.clients[i];
    if (client->state == CLIENT_READY) take_turn(worker, client);
  }
}

static bool is_settled(const worker *worker) {
  bool at_rest = crowd_count(&worker->crowd, CLIENT_CALLING) == 0;
  switch (worker->phase) {
  case PHASE_RUNNING:
    return worker->options->calls > 0 && worker->calls_left == 0 && at_rest;
  case PHASE_DRAINING: {
    uint64_t ended = atomic_load_explicit(&worker->board->ended, memory_order_relaxed);
    bool behind = worker->options->rate > 0 && worker->options->calls == 0 &&
                  pacer_next(&worker->pacer) < ended;
    return at_rest && !behind;
  }
  default:
    return false;
  }
}

const mode mode_call = {
    .prepare = prepare, .enter = enter, .resume = resume, .is_settled = is_settled};
