#ifndef CWIRE_WRITER_H
#define CWIRE_WRITER_H

#include "cwire/span.h"

/* A cursor over memory of the caller. Each put appends all of its bytes or none; what does not fit
 * sets `overflow`, and from then on every put is ignored, so that a run of puts needs one check at
 * its end. `invalid` is the same for content that must not be written at all, such as a line feed
 * in a field value. */
typedef struct cwire_writer {
  uint8_t *base;
  size_t length;
  size_t capacity;
  bool overflow;
  bool invalid;
} cwire_writer;

/* A writer over `capacity` bytes at `base`, which stay the caller's. */
static inline cwire_writer cwire_writer_make(void *base, size_t capacity) {
  return (cwire_writer){.base = (uint8_t *)base, .capacity = capacity};
}

/* True while everything put so far has been written. */
static inline bool cwire_writer_ok(const cwire_writer *writer) {
  return !writer->overflow && !writer->invalid;
}

/* What has been written; it lives as long as the caller's memory. */
static inline cwire_span cwire_writer_written(const cwire_writer *writer) {
  return cwire_span_make(writer->base, writer->length);
}

/* Sets aside `count` bytes for the caller to fill and returns where they start, or NULL and sets
 * the overflow flag. In line, like the puts below: a head is many short ones. */
static inline uint8_t *cwire_writer_reserve(cwire_writer *writer, size_t count) {
  if (!cwire_writer_ok(writer) || count > writer->capacity - writer->length) {
    writer->overflow |= !writer->invalid;
    return NULL;
  }
  uint8_t *start = writer->base + writer->length;
  writer->length += count;
  return start;
}

static inline void cwire_writer_put_byte(cwire_writer *writer, uint8_t byte) {
  uint8_t *to = cwire_writer_reserve(writer, 1);
  if (to != NULL) *to = byte;
}

static inline void cwire_writer_put_span(cwire_writer *writer, cwire_span span) {
  if (span.length == 0) return;
  uint8_t *to = cwire_writer_reserve(writer, span.length);
  if (to != NULL) memcpy(to, span.base, span.length);
}

static inline void cwire_writer_put_text(cwire_writer *writer, const char *text) {
  cwire_writer_put_span(writer, cwire_span_text(text));
}

/* Decimal, without leading zeros. */
void cwire_writer_put_u64(cwire_writer *writer, uint64_t value);

/* Lower-case hexadecimal, without leading zeros or prefix. */
void cwire_writer_put_hex(cwire_writer *writer, uint64_t value);

#endif
