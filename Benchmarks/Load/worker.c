#include "worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

enum { TICK_MS = 5, TICKS_PER_CHECK = 20 };

uint64_t worker_share(const worker *worker, uint64_t whole) {
  unsigned workers = worker->board->workers;
  return whole / workers + (worker->index < whole % workers ? 1 : 0);
}

const transport *worker_transport(const worker *worker) {
  switch (worker->options->transport) {
  case TRANSPORT_SSE:
    return &transport_sse;
  case TRANSPORT_WEBSOCKET:
    return &transport_websocket;
  default:
    return &transport_http;
  }
}

/* ---- What is sent, and what has to come back ---- */

static void make_template(template *template, const char *text, uint64_t size) {
  if (template_make(template, text, size)) return;
  fprintf(stderr, "sluice-load: there are too many {n} in '%s'\n", text);
  exit(2);
}

static const char *expectation(const options *options) {
  if (options->expect != NULL) return options->expect;
  if (options->era == ERA_NONE) return "{n}";
  bool is_echo = strcmp(options->tool, "echo") == 0 && options->arguments == NULL;
  return is_echo && options->body == NULL ? "call {n}" : "";
}

static void make_call(scenario *scenario, const options *options) {
  bytes text = {0};
  if (options->body != NULL)
    bytes_text(&text, options->body);
  else
    message_call_text(&text, options);
  bytes_append(&text, cwire_span_make("", 1));
  make_template(&scenario->call, (const char *)text.base, options->size);
  bytes_free(&text);
  const char *expect = expectation(options);
  scenario->expect_same = strcmp(expect, "same") == 0;
  make_template(&scenario->expect, expect, 0);
}

void worker_scenario(worker *worker, scenario *scenario, const client_events *events) {
  const options *options = worker->options;
  SSL_CTX *tls = NULL;
  if (options->target.tls) {
    tls = connection_make_tls(options->authorities);
    if (tls == NULL) exit(2);
  }
  SSL_SESSION **session = options->resume ? calloc(1, sizeof *session) : NULL;
  *scenario = (struct scenario){
      .options = options,
      .era = options->era,
      .connector = {.loop = &worker->loop,
                    .target = &options->target,
                    .tls = tls,
                    .session = session,
                    .sources = options->sources},
      .events = events,
      .owner = worker,
      .number = TEMPLATE_FIRST + worker->index * UINT64_C(100000000),
  };
  make_call(scenario, options);
}

/* ---- Results ---- */

void worker_done(worker *worker, uint64_t due) {
  tally *tally = worker->tally;
  uint64_t began = atomic_load_explicit(&worker->board->began, memory_order_relaxed);
  atomic_fetch_add_explicit(&tally->all, 1, memory_order_relaxed);
  if (began == 0 || due < began) return;
  uint64_t now = uv_hrtime();
  histogram_record(&tally->latency, now - due);
  atomic_fetch_add_explicit(&tally->done, 1, memory_order_relaxed);
  atomic_store_explicit(&tally->last, now, memory_order_relaxed);
}

void worker_fault(worker *worker, fault fault) {
  atomic_fetch_add_explicit(&worker->tally->faults[fault], 1, memory_order_relaxed);
}

bool worker_is_loading(const worker *worker) {
  return worker->phase == PHASE_WARMING || worker->phase == PHASE_RUNNING;
}

/* ---- Phases ---- */

static bool is_settled(const worker *worker) {
  switch (worker->phase) {
  case PHASE_OPENING:
    return crowd_is_open(&worker->crowd) && crowd_is_open(&worker->held);
  case PHASE_CLOSING:
    return crowd_count(&worker->crowd, CLIENT_CLOSED) == worker->crowd.begun &&
           crowd_count(&worker->held, CLIENT_CLOSED) == worker->held.begun;
  default:
    return worker->mode->is_settled(worker);
  }
}

static void enter(worker *worker, phase phase) {
  worker->phase = phase;
  if (phase == PHASE_CLOSING) {
    crowd_close(&worker->crowd);
    crowd_close(&worker->held);
  }
  worker->mode->enter(worker, phase);
}

static void on_tick(uv_timer_t *timer) {
  worker *worker = timer->data;
  phase phase = board_phase(worker->board);
  if (phase != worker->phase) enter(worker, phase);
  if (++worker->ticks % TICKS_PER_CHECK == 0) {
    uint64_t now = uv_hrtime();
    crowd_check(&worker->crowd, now);
    crowd_check(&worker->held, now);
    if (worker_is_loading(worker) && worker->mode->resume != NULL) worker->mode->resume(worker);
  }
  if (!is_settled(worker)) return;
  atomic_store_explicit(&worker->tally->settled, (uint64_t)worker->phase + 1, memory_order_release);
  if (worker->phase == PHASE_CLOSING) uv_stop(&worker->loop);
}

void worker_run(const options *options, board *board, unsigned index) {
  static worker worker;
  /* An orphan would go on for ever. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  worker.options = options;
  worker.board = board;
  worker.tally = &board->tallies[index];
  worker.index = index;
  worker.calls_left = worker_share(&worker, options->calls);
  static const struct mode *const modes[] = {
      [MODE_CALL] = &mode_call,   [MODE_IDLE] = &mode_idle, [MODE_FANOUT] = &mode_fanout,
      [MODE_CHURN] = &mode_churn, [MODE_MIX] = &mode_call,
  };
  worker.mode = modes[options->mode];
  uv_loop_init(&worker.loop);
  uv_timer_init(&worker.loop, &worker.tick);
  worker.tick.data = &worker;
  worker.mode->prepare(&worker);
  uv_timer_start(&worker.tick, on_tick, TICK_MS, TICK_MS);
  crowd_pump(&worker.held);
  crowd_pump(&worker.crowd);
  uv_run(&worker.loop, UV_RUN_DEFAULT);
}
