#ifndef CWIRE_DIGITS_H
#define CWIRE_DIGITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The eight bytes at `from`, the first of them in the low bits, as what each is above '0'. */
static inline uint64_t cwire_eight_above_zero(const uint8_t *from) {
  uint64_t bytes;
  memcpy(&bytes, from, sizeof bytes);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  bytes = __builtin_bswap64(bytes);
#endif
  return bytes ^ UINT64_C(0x3030303030303030);
}

/* Whether they are digits: none has a bit in its upper half, nor gets one when 6 is added. What a
 * byte above 249 carries into the next one does not matter, as it is none itself. */
static inline bool cwire_are_eight_digits(uint64_t above_zero) {
  uint64_t upper = above_zero | (above_zero + UINT64_C(0x0606060606060606));
  return (upper & UINT64_C(0xF0F0F0F0F0F0F0F0)) == 0;
}

/* Their value: neighbours are put together, then pairs, then fours. */
static inline uint64_t cwire_eight_digits(uint64_t digits) {
  digits = (digits * 10 + (digits >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
  digits = (digits * 100 + (digits >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
  return (digits * 10000 + (digits >> 32)) & UINT64_C(0xFFFFFFFF);
}

/* The first byte from `next` on that is no digit, or `end`. */
static inline const uint8_t *cwire_skip_digits(const uint8_t *next, const uint8_t *end) {
  while (end - next >= 8 && cwire_are_eight_digits(cwire_eight_above_zero(next)))
    next += 8;
  while (next < end && *next >= '0' && *next <= '9')
    next++;
  return next;
}

#endif
