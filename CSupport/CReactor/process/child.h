#ifndef CREACTOR_PROCESS_CHILD_H
#define CREACTOR_PROCESS_CHILD_H

#include <sys/types.h>

#include "connection/connection.h"
#include "creactor/process.h"
#include "process/chatter.h"
#include "process/lines.h"

/* A child is a connection whose transport is three pipes and a pidfd.
 *
 * Its end has one order, whoever begins it (process/phase.h). It is asked: standard input closes,
 * SIGTERM to the group follows, then SIGKILL. Once the leader is a zombie, the rest of its group
 * gets SIGTERM and the pipes are drained, for at most a second: a grandchild may hold them open.
 * Then comes SIGKILL to the group, the reaper forgets it, and only then the leader is reaped: until
 * that moment its number names our group and nobody else's. Only now the connection closes and
 * `child_exited` is told. */
typedef struct cr_child {
  uv_pipe_t input, output, log;
  uv_poll_t exit; /* a handle only while `cr_child_runs`, and until an abandoned one is reaped */
  cr_connection *connection;
  cr_lines lines, log_lines;
  cr_chatter chatter;
  cr_timer_task look; /* at what `chatter` waits for */
  pid_t pid;          /* 0 once reaped, or if it never ran */
  cr_reaper *reaper;
  uint32_t grace;
  uint8_t phase; /* cr_child_phase */
  uint8_t open_handles;
  int64_t status;
  int signal;
  cr_error error;
} cr_child;

static inline cr_child *cr_child_of(cr_connection *connection) {
  return connection->state;
}

/* Begins its end in order. */
void cr_child_ask(cr_child *child);
/* SIGKILL to its group, while it runs. */
void cr_child_kill_now(cr_child *child);
/* Sees to it that what `chatter` waits for is looked at in time. */
void cr_child_look_later(cr_child *child);

#endif
