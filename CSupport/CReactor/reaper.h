#ifndef CREACTOR_PRIVATE_REAPER_H
#define CREACTOR_PRIVATE_REAPER_H

#include <sys/types.h>

#include "creactor/process.h"

/* What travels to the reaper: one process group joins its list or leaves it. Far below PIPE_BUF, so
 * a write is whole or not at all, from whatever process and thread. */
typedef struct cr_reaper_message {
  int32_t group;
  uint32_t add; /* 1: watch it, 0: forget it */
} cr_reaper_message;

/* The writing end, or -1 for no reaper. Closed on exec. */
int cr_reaper_descriptor(const cr_reaper *reaper);

/* Async-signal-safe: a child calls it between vfork and exec. A reaper that is gone is ignored. */
void cr_reaper_tell(int descriptor, pid_t group, bool add);

/* close_range, or the same by hand on a kernel without it. Async-signal-safe. */
void cr_close_descriptors(unsigned first, unsigned last);

#endif
