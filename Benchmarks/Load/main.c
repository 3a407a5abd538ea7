#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "progress.h"
#include "report.h"
#include "worker.h"

/* The process that watches: it forks those that carry the load, says when a phase begins, reads the
   server's gauges between them, and reports. */

enum { TICK_US = 5000 };

typedef struct watch {
  const options *options;
  board *board;
  progress progress;
  report report;
} watch;

static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static void fork_workers(const options *options, board *board) {
  for (unsigned i = 0; i < board->workers; i++) {
    pid_t pid = fork();
    if (pid < 0) {
      perror("sluice-load: fork");
      exit(2);
    }
    if (pid > 0) continue;
    worker_run(options, board, i);
    _exit(0);
  }
}

/* ---- Phases ---- */

static uint64_t sum_open(const board *board) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < board->workers; i++)
    sum += board->tallies[i].open;
  return sum;
}

static uint64_t sum_done(const board *board) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < board->workers; i++)
    sum += board->tallies[i].done;
  return sum;
}

static bool is_settled(const board *board) {
  for (unsigned i = 0; i < board->workers; i++) {
    if (atomic_load_explicit(&board->tallies[i].settled, memory_order_acquire) <= board->phase)
      return false;
  }
  return true;
}

/* A worker that died takes its part of the load with it: nothing measured would be true. */
static void check_workers(void) {
  int status;
  if (waitpid(-1, &status, WNOHANG) <= 0) return;
  fprintf(stderr, "sluice-load: a process of the load ended with status %d\n", status);
  exit(2);
}

static void enter(watch *watch, phase phase) {
  atomic_store_explicit(&watch->board->phase, phase, memory_order_release);
}

/* Waits until the phase is over: all workers are through with it, its time is up (0: it has none),
   or nothing has gone right for twice as long as an operation may take. */
static void stay(watch *watch, const char *what, uint64_t nanoseconds,
                 double (*share)(struct watch *)) {
  uint64_t begun = uv_hrtime(), moved = begun, sum = 0;
  while (!is_settled(watch->board)) {
    uint64_t now = uv_hrtime(), passed = now - begun;
    if (nanoseconds > 0 && passed >= nanoseconds) return;
    uint64_t right = sum_done(watch->board) + sum_open(watch->board);
    if (right != sum) moved = now;
    sum = right;
    if (nanoseconds == 0 && now - moved > 2 * watch->options->timeout) return;
    double done = share != NULL     ? share(watch)
                  : nanoseconds > 0 ? (double)passed / (double)nanoseconds
                                    : 0;
    progress_draw(&watch->progress, watch->board, what, done);
    if (board_phase(watch->board) != PHASE_CLOSING) check_workers();
    usleep(TICK_US);
  }
}

static double share_of_connections(watch *watch) {
  const options *options = watch->options;
  return (double)sum_open(watch->board) / (options->connections + options->idle);
}

static double share_of_calls(watch *watch) {
  const options *options = watch->options;
  uint64_t all =
      options->mode == MODE_FANOUT ? options->publications * options->connections : options->calls;
  return (double)sum_done(watch->board) / (double)all;
}

/* How long the measured phase may take. */
static uint64_t running_time(const options *options) {
  if (options->mode == MODE_FANOUT)
    return (uint64_t)((double)options->publications / options->rate * 1e9) + options->timeout;
  return options->calls > 0 && options->mode != MODE_IDLE ? 0 : options->duration;
}

static bool is_counted(const options *options) {
  return options->mode == MODE_FANOUT || (options->calls > 0 && options->mode != MODE_IDLE);
}

static double measured_seconds(const watch *watch) {
  const board *board = watch->board;
  uint64_t last = board->ended;
  if (is_counted(watch->options)) {
    last = board->began;
    for (unsigned i = 0; i < board->workers; i++)
      if (board->tallies[i].last > last) last = board->tallies[i].last;
  }
  return (double)(last - board->began) / 1e9;
}

static void open_connections(watch *watch) {
  uint64_t begun = uv_hrtime();
  stay(watch, "opening", 0, share_of_connections);
  watch->report.opening = (double)(uv_hrtime() - begun) / 1e9;
}

static void measure(watch *watch) {
  const options *options = watch->options;
  if (options->warmup > 0 && options->mode != MODE_FANOUT && options->mode != MODE_IDLE) {
    enter(watch, PHASE_WARMING);
    stay(watch, "warm-up", options->warmup, NULL);
  }
  if (options->pid_count > 0 && !gauge_read(&watch->report.start, options)) exit(2);
  watch->board->began = uv_hrtime();
  enter(watch, PHASE_RUNNING);
  stay(watch, options_mode_name(options), running_time(options),
       is_counted(options) ? share_of_calls : NULL);
  watch->board->ended = uv_hrtime();
  enter(watch, PHASE_DRAINING);
  stay(watch, "draining", options->timeout + 1000000000, NULL);
  watch->report.seconds = measured_seconds(watch);
  watch->report.open = sum_open(watch->board);
  if (options->pid_count > 0 && !gauge_read(&watch->report.during, options)) exit(2);
}

static void close_connections(watch *watch) {
  report_collect(&watch->report, watch->board);
  enter(watch, PHASE_CLOSING);
  stay(watch, "closing", watch->options->timeout + 1000000000, NULL);
  signal(SIGCHLD, SIG_IGN);
  const options *options = watch->options;
  if (options->pid_count > 0 && !gauge_read(&watch->report.after, options)) exit(2);
}

int main(int count, char **arguments) {
  static options options;
  static watch watch;
  options_read(&options, count, arguments);
  raise_descriptor_limit();
  watch.options = watch.report.options = &options;
  watch.board = board_make(options.processes, options.publications);
  if (watch.board == NULL) {
    fprintf(stderr, "sluice-load: out of memory\n");
    return 2;
  }
  if (options.pid_count > 0 && !gauge_read(&watch.report.before, &options)) return 2;
  progress_begin(&watch.progress, &options);
  fork_workers(&options, watch.board);
  open_connections(&watch);
  if (sum_open(watch.board) > 0 || options.mode == MODE_CHURN) measure(&watch);
  close_connections(&watch);
  progress_end(&watch.progress);
  report_print(&watch.report);
  bool none_open = watch.report.open == 0 && watch.report.done == 0;
  bool is_idle = options.mode == MODE_CHURN && watch.report.errors == 0;
  if (none_open && !is_idle) return 2;
  return watch.report.errors > 0 ? 1 : 0;
}
