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

#endif
