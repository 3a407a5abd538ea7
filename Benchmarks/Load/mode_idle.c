#include "worker.h"

/* Clients that are brought as far as --hold says and then do nothing: all of them in the mode
   `idle`, those beside the callers in `mix`. */

static void come_to_rest(client *client) {
  worker *worker = client->owner;
  atomic_fetch_add_explicit(&worker->tally->open, 1, memory_order_relaxed);
  crowd_settled_one(&worker->held);
}

static void opened(client *client) {
  worker *worker = client->owner;
  if (worker->options->hold == HOLD_CALL)
    client_call(client, uv_hrtime());
  else
    come_to_rest(client);
}

static void answered(client *client, fault fault) {
  worker *worker = client->owner;
  if (fault != FAULT_NONE) worker_fault(worker, fault);
  client->due = 0;
  bytes_free(&client->call);
  come_to_rest(client);
}

static void event(client *client, uint64_t number) {
  (void)client, (void)number;
}

static void lost(client *client, fault fault) {
  worker *worker = client->owner;
  worker_fault(worker, fault);
  /* Its state says where it failed: on the way, or later. */
  bool was_held = client->step == STEP_DONE &&
                  (worker->options->hold != HOLD_CALL || (client->calls > 0 && client->due == 0));
  if (was_held)
    atomic_fetch_sub_explicit(&worker->tally->open, 1, memory_order_relaxed);
  else
    crowd_settled_one(&worker->held);
}

static void closed(client *client) {
  (void)client;
}

static const client_events events = {
    .opened = opened, .answered = answered, .event = event, .lost = lost, .closed = closed};

void hold_prepare(worker *worker, unsigned count, unsigned first_source) {
  hold goal = worker->options->hold == HOLD_CALL ? HOLD_OPEN : worker->options->hold;
  worker_scenario(worker, &worker->held.scenario, &events);
  /* Their numbers and those of the callers must differ. */
  worker->held.scenario.number += 50000000;
  crowd_make(&worker->held, count, first_source, worker_transport(worker), goal, worker);
}

static void prepare(worker *worker) {
  hold_prepare(worker, (unsigned)worker_share(worker, worker->options->connections), 0);
}

static void enter(worker *worker, phase phase) {
  (void)worker, (void)phase;
}

/* Running has its time; draining has nothing to do. */
static bool is_settled(const worker *worker) {
  return worker->phase == PHASE_DRAINING;
}

const mode mode_idle = {.prepare = prepare, .enter = enter, .is_settled = is_settled};
