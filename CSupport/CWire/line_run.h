#ifndef CWIRE_LINE_RUN_H
#define CWIRE_LINE_RUN_H

#include "cwire/span.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The first CR or LF from `next` on, or `end`. One pass for both: looking for one and then the
 * other would cost the square of a text in which only one of them occurs. */
static inline const uint8_t *cwire_line_run(const uint8_t *next, const uint8_t *end) {
#if defined(__SSE2__)
  while (end - next >= 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)next);
    __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')),
                                _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')));
    unsigned mask = (unsigned)_mm_movemask_epi8(stop);
    if (mask != 0) return next + __builtin_ctz(mask);
    next += 16;
  }
#endif
  while (next < end && *next != '\n' && *next != '\r')
    next++;
  return next;
}

#endif
