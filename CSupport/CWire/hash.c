#include "cwire/hash.h"

static uint64_t load64(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

static void store64(uint8_t *bytes, uint64_t word) {
  for (unsigned index = 0; index < 8; index++)
    bytes[index] = (uint8_t)(word >> (8 * index));
}

static uint64_t rotate(uint64_t word, unsigned count) {
  return word << count | word >> (64 - count);
}

typedef struct sip_state {
  uint64_t v0, v1, v2, v3;
} sip_state;

static void sip_rounds(sip_state *s, unsigned count) {
  for (; count > 0; count--) {
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
  }
}

static void sip_absorb(sip_state *s, uint64_t word) {
  s->v3 ^= word;
  sip_rounds(s, 2);
  s->v0 ^= word;
}

static sip_state sip_message(const uint8_t key[16], cwire_span text, uint64_t tweak) {
  uint64_t k0 = load64(key);
  uint64_t k1 = load64(key + 8);
  sip_state s = {
      .v0 = k0 ^ 0x736f6d6570736575u,
      .v1 = k1 ^ 0x646f72616e646f6du ^ tweak,
      .v2 = k0 ^ 0x6c7967656e657261u,
      .v3 = k1 ^ 0x7465646279746573u,
  };
  size_t whole = text.length & ~(size_t)7;
  for (size_t index = 0; index < whole; index += 8)
    sip_absorb(&s, load64(text.base + index));
  uint64_t last = (uint64_t)text.length << 56;
  for (size_t index = whole; index < text.length; index++) {
    last |= (uint64_t)text.base[index] << (8 * (index - whole));
  }
  sip_absorb(&s, last);
  return s;
}

static uint64_t sip_fold(const sip_state *s) {
  return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t cwire_siphash64(const uint8_t key[16], cwire_span text) {
  sip_state s = sip_message(key, text, 0);
  s.v2 ^= 0xff;
  sip_rounds(&s, 4);
  return sip_fold(&s);
}

void cwire_siphash128(const uint8_t key[16], cwire_span text, uint8_t out[16]) {
  sip_state s = sip_message(key, text, 0xee);
  s.v2 ^= 0xee;
  sip_rounds(&s, 4);
  store64(out, sip_fold(&s));
  s.v1 ^= 0xdd;
  sip_rounds(&s, 4);
  store64(out + 8, sip_fold(&s));
}

/* The two halves of the 128-bit product, folded: one multiplication mixes every bit of both. */
static uint64_t mix(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t cwire_hash64(cwire_span text) {
  /* Odd constants without pattern: digits of pi, of e and of the golden ratio. */
  const uint64_t k0 = 0x243f6a8885a308d3u;
  const uint64_t k1 = 0xb7e151628aed2a6bu;
  const uint64_t k2 = 0x9e3779b97f4a7c15u;
  uint64_t hash = k0 ^ (uint64_t)text.length;
  const uint8_t *next = text.base;
  size_t left = text.length;
  for (; left > 16; left -= 16, next += 16) {
    hash = mix(load64(next) ^ k1, load64(next + 8) ^ hash);
  }
  uint64_t low = 0;
  uint64_t high = 0;
  if (left >= 8) {
    low = load64(next);
    high = load64(next + left - 8);
  } else {
    for (size_t index = 0; index < left; index++)
      low |= (uint64_t)next[index] << (8 * index);
  }
  return mix(k2 ^ text.length, mix(low ^ k1, high ^ hash));
}

bool cwire_equal_constant_time(cwire_span a, cwire_span b) {
  if (a.length != b.length) return false;
  volatile uint64_t difference = 0;
  size_t index = 0;
  for (; index + 8 <= a.length; index += 8)
    difference |= load64(a.base + index) ^ load64(b.base + index);
  for (; index < a.length; index++)
    difference |= a.base[index] ^ b.base[index];
  return difference == 0;
}
