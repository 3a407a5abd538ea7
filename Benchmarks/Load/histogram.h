#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

/* Counts of durations in nanoseconds, in buckets that are at most 1/128 wide of what they hold, up
   to 18 minutes. Flat memory, so that it can be shared between processes and added up. */

enum {
  HISTOGRAM_BITS = 7,
  HISTOGRAM_MAX_BITS = 40,
  HISTOGRAM_BUCKETS = (HISTOGRAM_MAX_BITS - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

typedef struct histogram {
  uint64_t count;
  uint64_t sum;
  uint64_t max;
  uint64_t buckets[HISTOGRAM_BUCKETS];
} histogram;

void histogram_record(histogram *histogram, uint64_t nanoseconds);
void histogram_add(histogram *sum, const histogram *other);

/* The value that `fraction` (0 to 1) of the durations do not exceed: the upper end of its bucket,
   never above the maximum. 0 if there are none. */
uint64_t histogram_quantile(const histogram *histogram, double fraction);

#endif
