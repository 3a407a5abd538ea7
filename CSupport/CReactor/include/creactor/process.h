#ifndef CREACTOR_PROCESS_H
#define CREACTOR_PROCESS_H

#include "creactor/http.h"
#include "creactor/loop.h"

/* A tiny process, forked before any thread starts, that holds a pipe from us and the list of our
   children's process groups. When the pipe ends, however we went, it ends the groups that are left
   (SIGTERM, 2 s, SIGKILL) and itself. */
typedef struct cr_reaper cr_reaper;
cr_error cr_reaper_start(cr_reaper **out);
/* Ends the reaper in order; it kills nothing that was taken off its list. */
void cr_reaper_stop(cr_reaper *reaper);

typedef struct cr_child_options {
  const char *const *arguments;   /* NULL-terminated; [0] is looked up in the child's PATH */
  const char *const *environment; /* NULL-terminated, whole */
  const char *directory;          /* NULL: ours */
  size_t max_line;                /* bytes of one line of output; beyond it the child is ended */
} cr_child_options;

/* Starts a child in its own process group with pipes on 0, 1, 2. Failure comes by `child_exited`,
   later, never from within this call. */
cr_id cr_child_start(cr_loop *loop, const cr_child_options *options, uint64_t tag);
/* Queues bytes for its standard input (the caller ends lines itself). */
cr_write cr_child_write(cr_loop *loop, cr_id child, const cwire_span *pieces, size_t count);
/* Orderly end: closes standard input, SIGTERM to the group after 2 s, SIGKILL 2 s later. */
void cr_child_close(cr_loop *loop, cr_id child);
void cr_child_kill(cr_loop *loop, cr_id child);
int64_t cr_child_pid(cr_loop *loop, cr_id child);

#endif
