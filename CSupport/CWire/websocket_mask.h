#ifndef CWIRE_WEBSOCKET_MASK_H
#define CWIRE_WEBSOCKET_MASK_H

#include "cwire/span.h"

/* The mask as it lies in memory, so that bytes and words of it can be applied alike. */
static inline uint32_t cwire_ws_mask_word(const uint8_t mask[4]) {
  uint32_t word;
  memcpy(&word, mask, sizeof word);
  return word;
}

/* The mask of the byte that lies `count` bytes further on. */
static inline uint32_t cwire_ws_mask_after(uint32_t mask, uint64_t count) {
  unsigned shift = (unsigned)(count & 3) * 8;
  if (shift == 0) return mask;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return mask >> shift | mask << (32 - shift);
#else
  return mask << shift | mask >> (32 - shift);
#endif
}

/* XORs the bytes with the mask, which stands at its first byte, and tells whether the outcome is
 * all ASCII: reading a text once is enough as long as it is. */
bool cwire_ws_unmask(uint8_t *bytes, size_t length, uint32_t mask);

#endif
