#define _GNU_SOURCE

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connection/transport_memory.h"
#include "loop/check.h"
#include "process/child.h"
#include "process/phase.h"
#include "process/reaper.h"
#include "process/spawn.h"

enum { DRAIN_MS = 1000, LOG_LINE = 8192, HANDLES = 4 };

static const cr_transport transport;
static const cr_protocol protocol;

static void handle_closed(uv_handle_t *handle) {
  cr_child *child = handle->data;
  if (--child->open_handles == 0) cr_connection_released(child->connection);
}

static void enter(cr_child *child, cr_child_phase phase) {
  cr_assert(cr_child_may((cr_child_phase)child->phase, phase));
  child->phase = (uint8_t)phase;
}

/* The connection is closed, and nothing more is told but the end. */
static bool is_closed(const cr_child *child) {
  return child->phase == CR_CHILD_ABANDONED || child->phase == CR_CHILD_GONE;
}

/* One that a test stands for has no pipes. */
static bool is_in_memory(const cr_child *child) {
  return child->connection->memory != NULL;
}

static bool is_open(const uv_pipe_t *pipe) {
  return pipe->data != NULL && !uv_is_closing((const uv_handle_t *)pipe);
}

static void close_pipe(uv_pipe_t *pipe) {
  if (is_open(pipe)) uv_close((uv_handle_t *)pipe, handle_closed);
}

static void signal_group(cr_child *child, int signal) {
  if (child->pid > 0) kill(-child->pid, signal);
}

/* The end of a zombie and of all that is left of its group. */
static void reap(cr_child *child) {
  signal_group(child, SIGKILL);
  cr_reaper_remove(child->reaper, child->pid);
  int status = 0;
  pid_t got;
  do {
    got = waitpid(child->pid, &status, 0);
  } while (got < 0 && errno == EINTR);
  if (got == child->pid) {
    child->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    child->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
  child->pid = 0;
}

static uint64_t now_of(const cr_child *child) {
  return cr_loop_now(child->connection->loop);
}

/* ---- Lines ---- */

static void output_line(void *context, cwire_span line) {
  cr_connection *connection = context;
  cr_loop *loop = connection->loop;
  if (cr_is_closing(connection)) return;
  cr_loop_event(loop);
  loop->handlers.child_line(loop->context, cr_connection_id(connection), connection->tag, line);
}

static void output_overlong(void *context, cwire_span part, bool ended) {
  cr_connection *connection = context;
  cr_loop *loop = connection->loop;
  if (cr_is_closing(connection)) return;
  cr_loop_event(loop);
  loop->handlers.child_overlong(loop->context, cr_connection_id(connection), connection->tag, part,
                                ended);
}

static void log_line(void *context, cwire_span line) {
  cr_connection *connection = context;
  cr_loop *loop = connection->loop;
  cr_child *child = cr_child_of(connection);
  if (cr_is_closing(connection) ||
      !cr_chatter_allows(&child->chatter, line.length + 1, now_of(child)))
    return;
  cr_loop_event(loop);
  loop->handlers.child_log(loop->context, cr_connection_id(connection), connection->tag, line);
}

static void log_cut(void *context, size_t bytes) {
  cr_connection *connection = context;
  cr_child *child = cr_child_of(connection);
  if (!cr_is_closing(connection)) cr_chatter_cut(&child->chatter, bytes, now_of(child));
}

static const cr_line_handlers output_lines = {.line = output_line, .overlong = output_overlong};
static const cr_line_handlers log_lines = {.line = log_line, .cut = log_cut};

/* ---- What is said beside messages ---- */

static void read_log(cr_child *child);

void cr_child_look_later(cr_child *child) {
  uint64_t when = cr_chatter_next(&child->chatter);
  if (when == 0 || is_closed(child)) return;
  if (cr_timer_armed(&child->look.timer) && child->look.timer.deadline <= when) return;
  cr_loop_start_timer(child->connection->loop, &child->look.timer, when);
}

static void report_dropped(cr_child *child) {
  cr_connection *connection = child->connection;
  cr_loop *loop = connection->loop;
  cr_chatter *chatter = &child->chatter;
  cr_chatter_loss loss = {.lines = chatter->lines, .bytes = chatter->bytes, .cut = chatter->cut};
  chatter->lines = chatter->bytes = chatter->cut = chatter->report = 0;
  if (loss.lines == 0 && loss.cut == 0) return;
  cr_loop_event(loop);
  loop->handlers.child_dropped(loop->context, cr_connection_id(connection), connection->tag, loss);
}

static void look_now(cr_timer_task *task) {
  cr_child *child = (cr_child *)((char *)task - offsetof(cr_child, look));
  uint64_t now = now_of(child);
  if (child->chatter.report != 0 && child->chatter.report <= now) report_dropped(child);
  if (is_closed(child)) return;
  if (cr_chatter_rested(&child->chatter, CR_CHATTER_LOG, now)) read_log(child);
  if (cr_chatter_rested(&child->chatter, CR_CHATTER_OUTPUT, now))
    cr_connection_hold(child->connection, false);
  cr_child_look_later(child);
}

/* ---- Ending ---- */

static void finish(cr_child *child) {
  cr_lines_finish(&child->lines, &output_lines, child->connection);
  cr_lines_finish(&child->log_lines, &log_lines, child->connection);
  if (is_closed(child)) return;
  reap(child);
  cr_connection_close(child->connection, child->error);
}

static void finish_when_drained(cr_child *child) {
  if (child->phase == CR_CHILD_DRAINING && !is_open(&child->output) && !is_open(&child->log))
    finish(child);
}

void cr_child_ask(cr_child *child) {
  if (child->phase != CR_CHILD_RUNNING) return;
  enter(child, CR_CHILD_ASKED);
  /* What is queued is still owed to the child; its input closes after that. */
  cr_connection_shutdown(child->connection);
  cr_connection_set_timer(child->connection, cr_loop_now(child->connection->loop) + child->grace);
}

void cr_child_kill_now(cr_child *child) {
  if (!cr_child_runs(child->phase)) return;
  if (child->phase != CR_CHILD_KILLED) enter(child, CR_CHILD_KILLED);
  signal_group(child, SIGKILL);
  if (!is_in_memory(child)) return;
  child->signal = SIGKILL;
  cr_connection_close(child->connection, child->error);
}

static void on_timer(cr_connection *connection) {
  cr_child *child = cr_child_of(connection);
  bool drains = child->phase == CR_CHILD_DRAINING;
  if (drains && connection->paused) {
    /* What it left in the pipe is still wanted, later. */
    cr_connection_set_timer(connection, cr_loop_now(connection->loop) + DRAIN_MS);
  } else if (drains) {
    finish(child);
  } else if (child->phase == CR_CHILD_ASKED) {
    enter(child, CR_CHILD_TERMINATED);
    close_pipe(&child->input);
    signal_group(child, SIGTERM);
    cr_connection_set_timer(connection, cr_loop_now(connection->loop) + child->grace);
  } else {
    cr_child_kill_now(child);
  }
}

static void unwatch(cr_child *child) {
  int descriptor = -1;
  uv_fileno((uv_handle_t *)&child->exit, &descriptor);
  uv_close((uv_handle_t *)&child->exit, handle_closed);
  close(descriptor);
}

static void reap_and_close(cr_child *child) {
  enter(child, CR_CHILD_GONE);
  if (child->pid > 0) reap(child);
  close_pipe(&child->input);
  close_pipe(&child->output);
  close_pipe(&child->log);
}

static void leader_ended(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  cr_child *child = poll->data;
  unwatch(child);
  if (child->phase == CR_CHILD_ABANDONED) {
    reap_and_close(child);
    return;
  }
  enter(child, CR_CHILD_DRAINING);
  signal_group(child, SIGTERM);
  cr_connection_set_timer(child->connection, cr_loop_now(child->connection->loop) + DRAIN_MS);
  finish_when_drained(child);
}

/* ---- Pipes ---- */

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)suggested;
  cr_child *child = handle->data;
  cr_loop *loop = child->connection->loop;
  *buffer = uv_buf_init((char *)loop->read_buffer, sizeof loop->read_buffer);
}

static void on_output(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  cr_child *child = stream->data;
  if (count == 0) return;
  if (count > 0) {
    cr_connection *connection = child->connection;
    connection->transport->received(connection, (uint8_t *)buffer->base, count);
    return;
  }
  close_pipe(&child->output);
  if (child->phase == CR_CHILD_DRAINING)
    finish_when_drained(child);
  else
    cr_child_ask(child); /* a server that can't answer any more is of no use */
}

static void on_log(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  cr_child *child = stream->data;
  if (count == 0) return;
  if (count > 0) {
    child->connection->loop->counts.bytes_in += (uint64_t)count;
    cr_lines_feed(&child->log_lines, cwire_span_make(buffer->base, (size_t)count), &log_lines,
                  child->connection);
    if (is_closed(child)) return;
    if (cr_chatter_came(&child->chatter, CR_CHATTER_LOG, (size_t)count, 0, now_of(child)))
      uv_read_stop(stream);
    cr_child_look_later(child);
    return;
  }
  close_pipe(&child->log);
  finish_when_drained(child);
}

static void read_log(cr_child *child) {
  if (is_open(&child->log)) uv_read_start((uv_stream_t *)&child->log, lend_buffer, on_log);
}

static size_t bytes_of(const uv_buf_t *pieces, unsigned count) {
  size_t sum = 0;
  for (unsigned i = 0; i < count; i++)
    sum += pieces[i].len;
  return sum;
}

/* A child that closed its input takes no more, but may still have something to say; so what is
 * written counts as written, and the child is asked to end. */
static ssize_t try_write(cr_connection *connection, const uv_buf_t *pieces, unsigned count) {
  cr_child *child = cr_child_of(connection);
  if (!is_open(&child->input)) return (ssize_t)bytes_of(pieces, count);
  int taken = uv_try_write((uv_stream_t *)&child->input, pieces, count);
  if (taken >= 0 || taken == UV_EAGAIN) return taken;
  cr_child_ask(child);
  return (ssize_t)bytes_of(pieces, count);
}

/* Once we have closed its input ourselves, what is queued is nobody's: it stays where it is until
 * the child is gone. */
static void on_written(uv_write_t *request, int status) {
  cr_child *child = request->data;
  if (!is_open(&child->input)) return;
  if (status < 0) cr_child_ask(child);
  child->connection->transport->wrote(child->connection, 0);
}

static int write_all(cr_connection *connection, uv_write_t *request, const uv_buf_t *pieces,
                     unsigned count) {
  cr_child *child = cr_child_of(connection);
  request->data = child;
  return uv_write(request, (uv_stream_t *)&child->input, pieces, count, on_written);
}

static int read_start(cr_connection *connection) {
  cr_child *child = cr_child_of(connection);
  if (!is_open(&child->output)) return 0;
  int status = uv_read_start((uv_stream_t *)&child->output, lend_buffer, on_output);
  return status == UV_EALREADY ? 0 : status;
}

static void read_stop(cr_connection *connection) {
  cr_child *child = cr_child_of(connection);
  if (is_open(&child->output)) uv_read_stop((uv_stream_t *)&child->output);
}

static void shut_input(cr_connection *connection) {
  close_pipe(&cr_child_of(connection)->input);
}

static void close_child(cr_connection *connection, bool reset) {
  (void)reset;
  cr_child *child = cr_child_of(connection);
  cr_loop_stop_timer(connection->loop, &child->look.timer);
  if (cr_child_runs(child->phase)) {
    enter(child, CR_CHILD_ABANDONED);
    /* Not in order. The pidfd will say when the leader can be reaped; a loop that is being
     * destroyed has no turns left for that, and waits. */
    signal_group(child, SIGKILL);
    if (!connection->loop->destroying) return;
    unwatch(child);
  }
  reap_and_close(child);
}

static const cr_transport transport = {
    .try_write = try_write,
    .write = write_all,
    .read_start = read_start,
    .read_stop = read_stop,
    .shutdown = shut_input,
    .close = close_child,
    .connected = cr_connection_connected,
    .received = cr_connection_received,
    .wrote = cr_connection_wrote,
};

/* ---- Protocol ---- */

static size_t on_read(cr_connection *connection, cwire_span bytes) {
  cr_child *child = cr_child_of(connection);
  if (!cr_lines_feed(&child->lines, bytes, &output_lines, connection)) {
    child->error = cr_error_reason(CR_REASON_LINE_TOO_LONG);
    cr_lines_free(&child->lines);
    close_pipe(&child->output);
    cr_child_kill_now(child);
    finish_when_drained(child);
  }
  return bytes.length;
}

/* The end of one that a test stands for; that of a process is seen elsewhere. */
static void on_eof(cr_connection *connection) {
  cr_child *child = cr_child_of(connection);
  cr_lines_finish(&child->lines, &output_lines, connection);
  child->status = 0;
  cr_connection_close(connection, child->error);
}

static void on_drained(cr_connection *connection) {
  cr_loop *loop = connection->loop;
  cr_loop_event(loop);
  loop->handlers.drained(loop->context, cr_connection_id(connection), connection->tag);
}

/* Only a child that could not be started asks for this. */
static void on_run(cr_connection *connection) {
  cr_child *child = cr_child_of(connection);
  if (child->phase == CR_CHILD_FAILED) cr_connection_close(connection, child->error);
}

static void on_closed(cr_connection *connection, cr_error error) {
  cr_child *child = cr_child_of(connection);
  cr_loop *loop = connection->loop;
  if (is_in_memory(child) && !cr_failed(child->error)) child->error = error;
  cr_loop_stop_timer(loop, &child->look.timer);
  report_dropped(child);
  connection->state = NULL;
  cr_loop_event(loop);
  loop->handlers.child_exited(loop->context, cr_connection_id(connection), connection->tag,
                              child->error, child->status, child->signal);
  cr_lines_free(&child->lines);
  cr_lines_free(&child->log_lines);
  free(child);
}

static const cr_protocol protocol = {
    .read = on_read,
    .eof = on_eof,
    .drained = on_drained,
    .timer = on_timer,
    .run = on_run,
    .closed = on_closed,
};

/* ---- Starting ---- */

static void open_pipe(uv_loop_t *loop, cr_child *child, uv_pipe_t *pipe) {
  uv_pipe_init(loop, pipe, 0);
  pipe->data = child;
  child->open_handles++;
}

/* Takes over the pid and, whatever happens, all four descriptors. */
static int adopt(cr_child *child, const cr_spawned *spawned) {
  cr_connection *connection = child->connection;
  int descriptors[HANDLES] = {spawned->input, spawned->output, spawned->log, spawned->exit};
  uv_pipe_t *pipes[] = {&child->input, &child->output, &child->log};
  int adopted = 0, problem = 0;
  child->pid = spawned->pid;
  while (adopted < 3 && problem == 0) {
    problem = uv_pipe_open(pipes[adopted], descriptors[adopted]);
    if (problem == 0) adopted++;
  }
  if (problem == 0) problem = uv_poll_init(&connection->loop->uv, &child->exit, spawned->exit);
  if (problem != 0) {
    for (; adopted < HANDLES; adopted++)
      close(descriptors[adopted]);
    return problem;
  }
  child->exit.data = child;
  child->open_handles++;
  uv_poll_start(&child->exit, UV_READABLE, leader_ended);
  enter(child, CR_CHILD_RUNNING);
  read_log(child);
  cr_connection_connected(connection, 0);
  return 0;
}

cr_id cr_child_start(cr_loop *loop, const cr_child_options *options, uint64_t tag) {
  cr_child *child = calloc(1, sizeof *child);
  if (child == NULL) return 0;
  cr_connection *connection = cr_connection_take(loop, CR_KIND_CHILD, &protocol);
  if (connection == NULL) {
    free(child);
    return 0;
  }
  connection->state = child;
  connection->tag = tag;
  child->connection = connection;
  child->status = -1;
  child->reaper = loop->options.reaper;
  child->lines.max = options->max_line;
  child->grace = options->grace;
  size_t log_line = options->max_log_line > 0 ? options->max_log_line : LOG_LINE;
  child->log_lines = (cr_lines){.max = log_line};
  cr_chatter_init(&child->chatter, options->chatter_rate, options->chatter_burst,
                  cr_loop_now(loop));
  child->look = (cr_timer_task){.timer = {.kind = CR_TIMER_TASK}, .fire = look_now};
  if (cr_memory_connect(connection, options->arguments[0])) {
    enter(child, CR_CHILD_RUNNING);
    return cr_connection_id(connection);
  }
  connection->transport = &transport;
  open_pipe(&loop->uv, child, &child->input);
  open_pipe(&loop->uv, child, &child->output);
  open_pipe(&loop->uv, child, &child->log);

  cr_spawned spawned;
  child->error = cr_spawn(&spawned, options, child->reaper);
  if (!cr_failed(child->error)) {
    int problem = adopt(child, &spawned);
    if (problem != 0) child->error = cr_error_uv(problem);
  }
  if (cr_failed(child->error)) {
    enter(child, CR_CHILD_FAILED);
    cr_connection_defer(connection);
  }
  return cr_connection_id(connection);
}
