#ifndef CWIRE_UTF8_SEQUENCE_H
#define CWIRE_UTF8_SEQUENCE_H

#include "cwire/utf8.h"

/* The byte-level rules of UTF-8 (RFC 3629 section 4) for the loops of this library. */

/* The length of the sequence that begins with the non-ASCII byte `*next`, or 0 when it is malformed
 * or does not end before `end`. */
static inline size_t cwire_utf8_sequence(const uint8_t *next, const uint8_t *end) {
  uint8_t lead = next[0];
  size_t left = (size_t)(end - next);
  if (lead < 0xe0) {
    return lead >= 0xc2 && left >= 2 && (next[1] & 0xc0) == 0x80 ? 2 : 0;
  }
  if (lead < 0xf0) {
    if (left < 3 || (next[1] & 0xc0) != 0x80 || (next[2] & 0xc0) != 0x80) return 0;
    if (lead == 0xe0 && next[1] < 0xa0) return 0; /* overlong */
    if (lead == 0xed && next[1] > 0x9f) return 0; /* a surrogate */
    return 3;
  }
  if (lead > 0xf4 || left < 4) return 0;
  if ((next[1] & 0xc0) != 0x80 || (next[2] & 0xc0) != 0x80 || (next[3] & 0xc0) != 0x80) return 0;
  if (lead == 0xf0 && next[1] < 0x90) return 0; /* overlong */
  if (lead == 0xf4 && next[1] > 0x8f) return 0; /* above U+10FFFF */
  return 4;
}

/* Takes one byte of a text; false when it can't stand there. */
static inline bool cwire_utf8_step(cwire_utf8_state *state, uint8_t byte) {
  if (state->remaining > 0) {
    if (byte < state->low || byte > state->high) return false;
    state->remaining--;
    state->low = 0x80;
    state->high = 0xbf;
    return true;
  }
  if (byte < 0x80) return true;
  if (byte < 0xc2 || byte > 0xf4) return false;
  state->remaining = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  state->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
  state->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
  return true;
}

/* Bit 7 of each of 8 bytes. */
static inline uint64_t cwire_utf8_high_bits(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word & UINT64_C(0x8080808080808080);
}

/* The first byte from `next` on that is not ASCII, or `end`. */
static inline const uint8_t *cwire_ascii_run(const uint8_t *next, const uint8_t *end) {
  /* Short runs are the rule between letters that are not ASCII, so 32 at once come second. */
  for (; end - next >= 8 && cwire_utf8_high_bits(next) == 0; next += 8) {
    while (end - next >= 32 &&
           (cwire_utf8_high_bits(next) | cwire_utf8_high_bits(next + 8) |
            cwire_utf8_high_bits(next + 16) | cwire_utf8_high_bits(next + 24)) == 0)
      next += 32;
    if (end - next < 8 || cwire_utf8_high_bits(next) != 0) break;
  }
  while (next < end && *next < 0x80)
    next++;
  return next;
}

#endif
