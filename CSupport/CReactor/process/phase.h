#ifndef CREACTOR_PROCESS_PHASE_H
#define CREACTOR_PROCESS_PHASE_H

#include <stdbool.h>
#include <stdint.h>

/* Where a child is in its life. Everything that depends on that asks its phase, and nothing else
   remembers it. */
typedef enum cr_child_phase {
  CR_CHILD_STARTING,   /* it has a slot; nothing runs */
  CR_CHILD_FAILED,     /* it could not be started, which is told later in the turn */
  CR_CHILD_RUNNING,    /* it takes input */
  CR_CHILD_ASKED,      /* its input closes after what is queued; then it has its grace */
  CR_CHILD_TERMINATED, /* its group got SIGTERM and has its grace once more */
  CR_CHILD_KILLED,     /* its group got SIGKILL */
  CR_CHILD_DRAINING,   /* the leader is a zombie; what is left in the pipes is read */
  CR_CHILD_ABANDONED,  /* the connection is closed and the group got SIGKILL; still to be reaped */
  CR_CHILD_GONE,       /* reaped, or it never ran; the handles close */
  CR_CHILD_PHASES
} cr_child_phase;

#define CR_TO(phase) (1U << CR_CHILD_##phase)

/* Where it may go from each of them. The ladder of an orderly end goes down only; the leader may
   end on its own on any rung; and the connection may be closed on any of them, in the middle of
   which the loop may be destroyed. */
static const uint16_t cr_child_next[CR_CHILD_PHASES] = {
    [CR_CHILD_STARTING] = CR_TO(FAILED) | CR_TO(RUNNING),
    [CR_CHILD_FAILED] = CR_TO(GONE),
    [CR_CHILD_RUNNING] = CR_TO(ASKED) | CR_TO(KILLED) | CR_TO(DRAINING) | CR_TO(ABANDONED),
    [CR_CHILD_ASKED] = CR_TO(TERMINATED) | CR_TO(KILLED) | CR_TO(DRAINING) | CR_TO(ABANDONED),
    [CR_CHILD_TERMINATED] = CR_TO(KILLED) | CR_TO(DRAINING) | CR_TO(ABANDONED),
    [CR_CHILD_KILLED] = CR_TO(DRAINING) | CR_TO(ABANDONED),
    [CR_CHILD_DRAINING] = CR_TO(GONE),
    [CR_CHILD_ABANDONED] = CR_TO(GONE),
    [CR_CHILD_GONE] = 0,
};

#undef CR_TO

static inline bool cr_child_may(cr_child_phase from, cr_child_phase to) {
  return from < CR_CHILD_PHASES && to < CR_CHILD_PHASES && (cr_child_next[from] >> to & 1) != 0;
}

/* The leader runs, as far as is known: it can be signalled, and its end is watched. */
static inline bool cr_child_runs(cr_child_phase phase) {
  return phase >= CR_CHILD_RUNNING && phase <= CR_CHILD_KILLED;
}

#endif
