#ifndef LOAD_BYTES_H
#define LOAD_BYTES_H

#include <cwire/span.h>

/* Bytes that grow. All zero is empty. Ends the process without memory: nothing measured here would
   be worth having. */
typedef struct bytes {
  uint8_t *base;
  size_t length;
  size_t capacity;
} bytes;

void bytes_append(bytes *bytes, cwire_span span);
void bytes_text(bytes *bytes, const char *text);
void bytes_format(bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_drop(bytes *bytes, size_t count);
void bytes_free(bytes *bytes);

static inline void bytes_clear(bytes *bytes) {
  bytes->length = 0;
}

static inline cwire_span bytes_span(const bytes *bytes) {
  return cwire_span_make(bytes->base, bytes->length);
}

#endif
