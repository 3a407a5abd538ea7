#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void make_room(bytes *bytes, size_t count) {
  size_t needed = bytes->length + count;
  if (needed <= bytes->capacity) return;
  size_t capacity = bytes->capacity == 0 ? 256 : bytes->capacity * 2;
  if (capacity < needed) capacity = needed;
  uint8_t *base = realloc(bytes->base, capacity);
  if (base == NULL) {
    fprintf(stderr, "sluice-load: out of memory\n");
    exit(2);
  }
  bytes->base = base;
  bytes->capacity = capacity;
}

void bytes_append(bytes *bytes, cwire_span span) {
  if (span.length == 0) return;
  make_room(bytes, span.length);
  memcpy(bytes->base + bytes->length, span.base, span.length);
  bytes->length += span.length;
}

void bytes_text(bytes *bytes, const char *text) {
  bytes_append(bytes, cwire_span_text(text));
}

void bytes_format(bytes *bytes, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length > 0) {
    make_room(bytes, (size_t)length + 1);
    vsnprintf((char *)bytes->base + bytes->length, (size_t)length + 1, format, again);
    bytes->length += (size_t)length;
  }
  va_end(again);
}

void bytes_drop(bytes *bytes, size_t count) {
  if (count == 0) return;
  memmove(bytes->base, bytes->base + count, bytes->length - count);
  bytes->length -= count;
}

void bytes_free(bytes *bytes) {
  free(bytes->base);
  *bytes = (struct bytes){0};
}
