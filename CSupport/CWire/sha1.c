#include "sha1.h"

static inline uint32_t rotate(uint32_t word, unsigned by) {
  return word << by | word >> (32 - by);
}

static inline uint32_t load(const uint8_t *from) {
  return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void take_block(uint32_t state[5], const uint8_t block[64]) {
  uint32_t w[80];
  for (unsigned t = 0; t < 16; t++)
    w[t] = load(block + 4 * t);
  for (unsigned t = 16; t < 80; t++)
    w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
#define ROUND(f, k)                                                                                \
  do {                                                                                             \
    uint32_t next = rotate(a, 5) + (f) + e + (k) + w[t];                                           \
    e = d;                                                                                         \
    d = c;                                                                                         \
    c = rotate(b, 30);                                                                             \
    b = a;                                                                                         \
    a = next;                                                                                      \
  } while (0)
  unsigned t = 0;
  for (; t < 20; t++)
    ROUND(d ^ (b & (c ^ d)), 0x5a827999);
  for (; t < 40; t++)
    ROUND(b ^ c ^ d, 0x6ed9eba1);
  for (; t < 60; t++)
    ROUND((b & c) | (d & (b | c)), 0x8f1bbcdc);
  for (; t < 80; t++)
    ROUND(b ^ c ^ d, 0xca62c1d6);
#undef ROUND
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

void cwire_sha1(cwire_span text, uint8_t digest[20]) {
  uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  cwire_span rest = text;
  for (; rest.length >= 64; rest = cwire_span_drop(rest, 64))
    take_block(state, rest.base);
  uint8_t block[64] = {0};
  if (rest.length > 0) memcpy(block, rest.base, rest.length);
  block[rest.length] = 0x80;
  if (rest.length >= 56) {
    take_block(state, block);
    memset(block, 0, sizeof block);
  }
  uint64_t bits = (uint64_t)text.length * 8;
  for (unsigned index = 0; index < 8; index++)
    block[56 + index] = (uint8_t)(bits >> (56 - 8 * index));
  take_block(state, block);
  for (unsigned index = 0; index < 20; index++)
    digest[index] = (uint8_t)(state[index / 4] >> (24 - 8 * (index % 4)));
}
