#ifndef CWIRE_SPAN_H
#define CWIRE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A range of bytes that somebody else owns. The one way bytes travel through this library. */
typedef struct cwire_span {
  const uint8_t *base;
  size_t length;
} cwire_span;

static inline cwire_span cwire_span_make(const void *base, size_t length) {
  return (cwire_span){.base = (const uint8_t *)base, .length = length};
}

/* A span over a C string literal or any NUL-terminated text, without its NUL. */
static inline cwire_span cwire_span_text(const char *text) {
  return cwire_span_make(text, strlen(text));
}

static inline bool cwire_span_equal(cwire_span a, cwire_span b) {
  return a.length == b.length && (a.length == 0 || memcmp(a.base, b.base, a.length) == 0);
}

/* Equality that folds ASCII letters and nothing else, as HTTP wants for names and tokens. */
bool cwire_span_equal_ignoring_case(cwire_span a, cwire_span b);

/* The span without its first `count` bytes; all of it if it has fewer. */
static inline cwire_span cwire_span_drop(cwire_span span, size_t count) {
  if (count > span.length) count = span.length;
  if (count == 0) return span; /* the base may be NULL, and C has no NULL + 0 */
  return cwire_span_make(span.base + count, span.length - count);
}

/* The first `count` bytes of the span; all of it if it has fewer. */
static inline cwire_span cwire_span_take(cwire_span span, size_t count) {
  return cwire_span_make(span.base, count < span.length ? count : span.length);
}

/* The span without spaces and tabs at either end (OWS, RFC 9110 section 5.6.3). */
static inline cwire_span cwire_span_trim(cwire_span span) {
  while (span.length > 0 && (span.base[0] == ' ' || span.base[0] == '\t')) {
    span.base++;
    span.length--;
  }
  while (span.length > 0 &&
         (span.base[span.length - 1] == ' ' || span.base[span.length - 1] == '\t')) {
    span.length--;
  }
  return span;
}

/* Takes the next element of a comma-separated list off `list` and trims it; false once the list is
 * used up. Empty elements are returned as empty spans: what they mean is for the caller to say
 * (RFC 9110 section 5.6.1.2 lets a recipient skip them). */
bool cwire_span_next_element(cwire_span *list, cwire_span *element);

/* Reads a whole span of decimal digits. False if it is empty, holds anything else, or does not fit;
 * `value` is then left alone. */
bool cwire_span_to_u64(cwire_span span, uint64_t *value);

#endif
