#ifndef CWIRE_SAME_BYTES_H
#define CWIRE_SAME_BYTES_H

#include "cwire/span.h"

/* Equality of names, in line: they are short, and a call costs more than the comparison. Words that
 * overlap spare a loop over the last bytes. */

static inline bool cwire_same_8(const uint8_t *a, const uint8_t *b, uint64_t bits) {
  uint64_t x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return ((x ^ y) & bits) == 0;
}

static inline bool cwire_same_4(const uint8_t *a, const uint8_t *b, uint32_t bits) {
  uint32_t x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return ((x ^ y) & bits) == 0;
}

/* Whether `count` bytes agree in the bits that are set in `bits`, the same ones for every byte. */
static inline bool cwire_same_masked(const uint8_t *a, const uint8_t *b, size_t count,
                                     uint8_t bits) {
  const uint64_t mask = UINT64_C(0x0101010101010101) * bits;
  if (count >= 8) {
    for (size_t at = 0; at + 8 < count; at += 8) {
      if (!cwire_same_8(a + at, b + at, mask)) return false;
    }
    return cwire_same_8(a + count - 8, b + count - 8, mask);
  }
  if (count >= 4) {
    return cwire_same_4(a, b, (uint32_t)mask) &&
           cwire_same_4(a + count - 4, b + count - 4, (uint32_t)mask);
  }
  for (size_t at = 0; at < count; at++) {
    if (((a[at] ^ b[at]) & bits) != 0) return false;
  }
  return true;
}

static inline bool cwire_same_bytes(const uint8_t *a, const uint8_t *b, size_t count) {
  return cwire_same_masked(a, b, count, 0xff);
}

#endif
