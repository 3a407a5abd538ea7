#ifndef LOAD_BOARD_H
#define LOAD_BOARD_H

#include <stdatomic.h>
#include <stddef.h>

#include "fault.h"
#include "histogram.h"

/* What the watching process and those that carry the load share: a page of memory that survives the
   fork. The watcher writes the phase, each worker its own tally. */

typedef enum phase {
  PHASE_OPENING,
  PHASE_WARMING,  /* load that is not measured */
  PHASE_RUNNING,  /* load that is */
  PHASE_DRAINING, /* nothing new; what is under way ends */
  PHASE_CLOSING,  /* connections end in order */
} phase;

typedef struct tally {
  _Atomic uint64_t settled; /* phases that it is through with, counted */
  _Atomic uint64_t open;    /* connections that are as far as they are to come */
  _Atomic uint64_t all;     /* operations of every phase */
  _Atomic uint64_t done;    /* measured operations that went right */
  _Atomic uint64_t last;    /* ns: when the last of those ended */
  _Atomic uint64_t faults[FAULT_COUNT];
  histogram latency; /* read by others only when the worker is through */
} tally;

typedef struct board {
  _Atomic uint32_t phase;
  _Atomic uint64_t began; /* ns: when RUNNING did */
  _Atomic uint64_t ended; /* ns: and when it was over, 0 before */
  unsigned workers;
  size_t size;
  /* fanout: the number of the first event, another for each run, so that what a broker remembers
     of the last one is not taken for an event of this; and when each was due. */
  uint64_t first_event;
  _Atomic uint64_t *published;
  tally tallies[];
} board;

/* NULL without memory. */
board *board_make(unsigned workers, uint64_t publications);

static inline phase board_phase(const board *board) {
  return (phase)atomic_load_explicit(&board->phase, memory_order_acquire);
}

#endif
