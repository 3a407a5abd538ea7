#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "board.h"
#include "gauge.h"
#include "options.h"

/* The outcome of a run. */
typedef struct report {
  const options *options;
  histogram latency;
  uint64_t done;
  uint64_t open; /* connections, when the load was over */
  uint64_t faults[FAULT_COUNT];
  uint64_t errors; /* the sum of those */
  double seconds;  /* measured */
  double opening;  /* seconds that it took to open the connections */
  gauge before, start, during, after;
} report;

/* Adds up the tallies. */
void report_collect(report *report, const board *board);

/* Prints what the command line asks for. */
void report_print(const report *report);

#endif
