#ifndef LOAD_WORKER_H
#define LOAD_WORKER_H

#include "board.h"
#include "crowd.h"
#include "pacer.h"

/* One process of the load: a loop, its clients, and the mode that says what they do. */
typedef struct worker worker;

typedef struct mode {
  /* Makes the crowds of this worker. */
  void (*prepare)(worker *worker);
  /* A phase began. */
  void (*enter)(worker *worker, phase phase);
  /* While there is load: clients that failed some time ago can begin again. May be NULL. */
  void (*resume)(worker *worker);
  /* Whether there is nothing left to do in it. */
  bool (*is_settled)(const worker *worker);
} mode;

extern const mode mode_call, mode_idle, mode_fanout, mode_churn;

struct worker {
  const options *options;
  board *board;
  tally *tally;
  const mode *mode;
  unsigned index;
  uv_loop_t loop;
  uv_timer_t tick;
  phase phase;
  unsigned ticks;
  crowd crowd; /* those that call, subscribe, come and go */
  crowd held;  /* those that do nothing */
  pacer pacer;
  client **free; /* open loop: clients that wait for a call to be due */
  unsigned free_count;
  uint64_t calls_left;
  uint64_t events; /* fanout: told to subscribers */
};

/* Runs it until its last phase is over. */
void worker_run(const options *options, board *board, unsigned index);

/* ---- For modes ---- */

/* This worker's part of a number that all share. */
uint64_t worker_share(const worker *worker, uint64_t whole);

/* Fills in what scenarios of the command line's target have in common. */
void worker_scenario(worker *worker, scenario *scenario, const client_events *events);
const transport *worker_transport(const worker *worker);

/* An operation that was due then went right. */
void worker_done(worker *worker, uint64_t due);
void worker_fault(worker *worker, fault fault);

/* Whether new operations may begin. */
bool worker_is_loading(const worker *worker);

/* The crowd that is held: `hold_prepare` makes `count` clients of this worker. */
void hold_prepare(worker *worker, unsigned count, unsigned first_source);

#endif
