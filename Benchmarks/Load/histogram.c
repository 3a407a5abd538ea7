#include "histogram.h"

#include <math.h>

enum { SUB = 1 << HISTOGRAM_BITS };

/* Values below SUB have a bucket each; above, each power of two is cut into SUB buckets. */
static unsigned bucket_of(uint64_t value) {
  if (value < SUB) return (unsigned)value;
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
  unsigned bucket = ((shift + 1) << HISTOGRAM_BITS) + (unsigned)((value >> shift) - SUB);
  return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t upper_end(unsigned bucket) {
  if (bucket < SUB) return bucket;
  unsigned shift = (bucket >> HISTOGRAM_BITS) - 1;
  return ((uint64_t)(bucket % SUB + SUB + 1) << shift) - 1;
}

void histogram_record(histogram *histogram, uint64_t nanoseconds) {
  histogram->count++;
  histogram->sum += nanoseconds;
  if (nanoseconds > histogram->max) histogram->max = nanoseconds;
  histogram->buckets[bucket_of(nanoseconds)]++;
}

void histogram_add(histogram *sum, const histogram *other) {
  sum->count += other->count;
  sum->sum += other->sum;
  if (other->max > sum->max) sum->max = other->max;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
    sum->buckets[i] += other->buckets[i];
}

uint64_t histogram_quantile(const histogram *histogram, double fraction) {
  if (histogram->count == 0) return 0;
  uint64_t wanted = (uint64_t)ceil(fraction * (double)histogram->count);
  uint64_t seen = 0;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += histogram->buckets[i];
    if (seen >= wanted && seen > 0) {
      uint64_t value = upper_end(i);
      return value < histogram->max ? value : histogram->max;
    }
  }
  return histogram->max;
}
