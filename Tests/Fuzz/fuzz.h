#ifndef SLUICE_FUZZ_H
#define SLUICE_FUZZ_H

#include "CWire.h"

#include <stdlib.h>

/* What the fuzz targets share: a broken property ends the run, and choices come from the input
 * itself, so that an input that finds something finds it again. */

#define FUZZ_EXPECT(condition)                                                                     \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

typedef struct fuzz_random {
  uint64_t state;
} fuzz_random;

static inline fuzz_random fuzz_seed(cwire_span input) {
  return (fuzz_random){.state = cwire_hash64(input) | 1};
}

static inline size_t fuzz_below(fuzz_random *random, size_t bound) {
  random->state = random->state * 6364136223846793005u + 1442695040888963407u;
  return (size_t)((random->state >> 33) % bound);
}

/* A copy in memory of exactly this size, so that the sanitizer sees every read beyond it. */
static inline cwire_span fuzz_copy(cwire_span bytes) {
  uint8_t *copy = malloc(bytes.length == 0 ? 1 : bytes.length);
  if (copy == NULL) abort();
  if (bytes.length > 0) memcpy(copy, bytes.base, bytes.length);
  return cwire_span_make(copy, bytes.length);
}

static inline void fuzz_free(cwire_span copy) {
  free((void *)(uintptr_t)copy.base);
}

#endif
