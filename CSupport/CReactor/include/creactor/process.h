#ifndef CREACTOR_PROCESS_H
#define CREACTOR_PROCESS_H

#include "creactor/connection.h"

/* A tiny process, forked before any thread starts, that holds a pipe from us and the list of our
   children's process groups. When the pipe ends, however we went, it ends the groups that are left,
   what came of our children and left their groups (SIGTERM, 2 s, SIGKILL), and itself. */
typedef struct cr_reaper cr_reaper;
cr_error cr_reaper_start(cr_reaper **out);
/* A descriptor for poll(2), which says POLLERR once the process has died; another one after each
   `restart`. */
int cr_reaper_descriptor(const cr_reaper *reaper);
/* Another process for one that has died, with the same list; nothing if it lives (`started`:
   false). One thread may call this, while others start children. */
cr_error cr_reaper_restart(cr_reaper *reaper, bool *started);
/* Ends the reaper in order, and what is still on its list; to be called when the loops that were
   given it are destroyed. */
void cr_reaper_stop(cr_reaper *reaper);

typedef struct cr_child_options {
  const char *const *arguments;   /* NULL-terminated; [0] is looked up in the child's PATH */
  const char *const *environment; /* NULL-terminated, whole */
  const char *directory;          /* NULL: ours */
  size_t max_line;        /* bytes of one line of output; a longer one is skipped, and a child
                             that goes on for 16 times as much is ended */
  size_t max_log_line;    /* bytes of one line of errors; the rest is cut. 0: 8 KiB */
  uint32_t grace;         /* ms of each step of an orderly end */
  uint64_t descriptors;   /* soft limit for it; 0: ours */
  uint64_t files;         /* hard limit on descriptors; 0: ours. No limit is ever raised */
  uint64_t data;          /* bytes of data of each of its processes (RLIMIT_DATA); 0: ours */
  uint64_t processes;     /* of all that its user runs (RLIMIT_NPROC); 0: ours */
  int group;              /* `cgroup.procs` of the cgroup that it enters, open; 0: ours. It
                             starts even if it can't enter that */
  uint64_t chatter_rate;  /* bytes per second that it may say beside messages; 0: any number */
  uint64_t chatter_burst; /* bytes of that at once */
} cr_child_options;

/* Starts a child as leader of its own session and process group with pipes on 0, 1, 2, no other
   descriptor and default signals; if there is a reaper, with one more variable, `_SLUICE_CHILD`.
   Failure comes by `child_exited`, later, never from within this call (CR_REASON_NO_PROGRAM,
   CR_REASON_NO_DIRECTORY, else an errno). 0 if the loop is full. */
cr_id cr_child_start(cr_loop *loop, const cr_child_options *options, uint64_t tag);
/* Queues bytes for its standard input (the caller ends lines itself). STALE once it is ending: a
   child that closes its input or output is ended in order, as there is no talking to it. */
cr_write cr_child_write(cr_loop *loop, cr_id child, const cwire_span *pieces, size_t count);
/* Bytes written to its standard input that it has not read yet, as far as the kernel can tell. */
size_t cr_child_unread(cr_loop *loop, cr_id child);
/* Policy says of a line of its output, from within `child_line`, that it is no message: so many
   bytes count with what it says on standard error. Whether that is within its rate; if not, leave
   the line out: it is counted for `child_dropped`. */
bool cr_child_chatters(cr_loop *loop, cr_id child, size_t bytes);
/* Orderly end: closes standard input after what is queued, SIGTERM to the group after its grace,
   SIGKILL after it once more. Whatever is left of the group when the child itself has ended is
   ended too; its output is read to the end, but not for longer than 1 s. `child_exited` follows,
   here as after the others. */
void cr_child_close(cr_loop *loop, cr_id child);
/* SIGKILL to the group. */
void cr_child_kill(cr_loop *loop, cr_id child);
/* Its process id, -1 if it did not start. */
int64_t cr_child_pid(cr_loop *loop, cr_id child);

#endif
