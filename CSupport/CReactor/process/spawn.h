#ifndef CREACTOR_PROCESS_SPAWN_H
#define CREACTOR_PROCESS_SPAWN_H

#include <sys/types.h>

#include "creactor/process.h"

/* A program that runs: the leader of its own session and process group. The descriptors are our
 * ends, close-on-exec and non-blocking; the caller owns them and must reap `pid`. */
typedef struct cr_spawned {
  pid_t pid;
  int input, output, log; /* to its 0, from its 1 and 2 */
  int exit;               /* a pidfd: readable once the leader has ended */
} cr_spawned;

/* Starts a program; returns once its exec has succeeded or failed. On failure nothing is left
 * behind. `reaper` may be NULL. Thread: any. */
cr_error cr_spawn(cr_spawned *out, const cr_child_options *options, cr_reaper *reaper);

#endif
