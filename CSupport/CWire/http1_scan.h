#ifndef CWIRE_HTTP1_SCAN_H
#define CWIRE_HTTP1_SCAN_H

/* Private to CWire: what a byte may be part of, and searches that step over 16 bytes at once (SSE2)
 * or 8 (elsewhere). None of them reads beyond `end`. */

#include "cwire/span.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
  CWIRE_CLASS_TOKEN = 1,  /* tchar, RFC 9110 section 5.6.2 */
  CWIRE_CLASS_TARGET = 2, /* visible ASCII but "#": a request target has no fragment */
  CWIRE_CLASS_HOST = 4,   /* unreserved of RFC 3986: all that a DNS name can hold */
  CWIRE_CLASS_HEX = 8,
};

extern const uint8_t cwire_http1_class[256];

static inline bool cwire_http1_is(uint8_t byte, uint8_t class) {
  return (cwire_http1_class[byte] & class) != 0;
}

/* Whether every byte of the span is of that class; true for an empty one. */
static inline bool cwire_http1_all(cwire_span span, uint8_t class) {
  for (size_t i = 0; i < span.length; i++) {
    if (!cwire_http1_is(span.base[i], class)) return false;
  }
  return true;
}

static inline bool cwire_http1_is_control(uint8_t byte) {
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

#if defined(__SSE2__)
/* One bit for each of 16 bytes that is a control character other than a tab. */
static inline __m128i cwire_http1_controls(__m128i bytes) {
  __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
  __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  return _mm_or_si128(_mm_andnot_si128(tab, low), del);
}
#else
/* Not zero if one of 8 bytes is a control character, tabs included. The textbook "has a byte below
 * n" and "has a zero byte". */
static inline uint64_t cwire_http1_controls(uint64_t bytes) {
  const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;
  uint64_t del = bytes ^ ones * 0x7f;
  return ((bytes - ones * 0x20) & ~bytes & highs) | ((del - ones) & ~del & highs);
}
#endif

/* The first control character other than a tab, line ends included; `end` if there is none. */
static inline const uint8_t *cwire_http1_find_control(const uint8_t *from, const uint8_t *end) {
#if defined(__SSE2__)
  for (; end - from >= 16; from += 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)from);
    int mask = _mm_movemask_epi8(cwire_http1_controls(bytes));
    if (mask != 0) return from + __builtin_ctz((unsigned)mask);
  }
#else
  for (; end - from >= 8; from += 8) {
    uint64_t bytes;
    memcpy(&bytes, from, 8);
    if (cwire_http1_controls(bytes) == 0) continue;
    for (int i = 0; i < 8; i++) {
      if (cwire_http1_is_control(from[i])) return from + i;
    }
  }
#endif
  while (from < end && !cwire_http1_is_control(*from))
    from++;
  return from;
}

/* The same, stopping at a colon too. */
static inline const uint8_t *cwire_http1_find_control_or_colon(const uint8_t *from,
                                                               const uint8_t *end) {
#if defined(__SSE2__)
  for (; end - from >= 16; from += 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)from);
    __m128i colon = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(':'));
    int mask = _mm_movemask_epi8(_mm_or_si128(cwire_http1_controls(bytes), colon));
    if (mask != 0) return from + __builtin_ctz((unsigned)mask);
  }
#endif
  while (from < end && *from != ':' && !cwire_http1_is_control(*from))
    from++;
  return from;
}

/* Whether a text holds a control character other than a tab. Not by a search, which goes byte by
 * byte at the end: here the last 16 bytes may overlap those before. */
static inline bool cwire_http1_holds_control(cwire_span text) {
#if defined(__SSE2__)
  const uint8_t *from = text.base;
  if (text.length >= 16) {
    const __m128i *last = (const __m128i *)(from + text.length - 16);
    __m128i found = cwire_http1_controls(_mm_loadu_si128(last));
    for (size_t left = text.length; left > 16; left -= 16, from += 16) {
      __m128i bytes = _mm_loadu_si128((const __m128i *)from);
      found = _mm_or_si128(found, cwire_http1_controls(bytes));
    }
    return _mm_movemask_epi8(found) != 0;
  }
  if (text.length >= 8) {
    __m128i first = _mm_loadl_epi64((const __m128i *)from);
    __m128i last = _mm_loadl_epi64((const __m128i *)(from + text.length - 8));
    return _mm_movemask_epi8(cwire_http1_controls(_mm_unpacklo_epi64(first, last))) != 0;
  }
#endif
  if (text.length == 0) return false;
  const uint8_t *end = text.base + text.length;
  return cwire_http1_find_control(text.base, end) != end;
}

#endif
