#include "cwire/writer.h"

uint8_t *cwire_writer_reserve(cwire_writer *writer, size_t count) {
  if (!cwire_writer_ok(writer) || count > writer->capacity - writer->length) {
    writer->overflow |= !writer->invalid;
    return NULL;
  }
  uint8_t *start = writer->base + writer->length;
  writer->length += count;
  return start;
}

void cwire_writer_put_byte(cwire_writer *writer, uint8_t byte) {
  uint8_t *to = cwire_writer_reserve(writer, 1);
  if (to != NULL) *to = byte;
}

void cwire_writer_put_span(cwire_writer *writer, cwire_span span) {
  if (span.length == 0) return;
  uint8_t *to = cwire_writer_reserve(writer, span.length);
  if (to != NULL) memcpy(to, span.base, span.length);
}

void cwire_writer_put_text(cwire_writer *writer, const char *text) {
  cwire_writer_put_span(writer, cwire_span_text(text));
}

void cwire_writer_put_u64(cwire_writer *writer, uint64_t value) {
  uint8_t digits[20];
  size_t first = sizeof digits;
  do {
    digits[--first] = (uint8_t)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  cwire_writer_put_span(writer, cwire_span_make(digits + first, sizeof digits - first));
}

void cwire_writer_put_hex(cwire_writer *writer, uint64_t value) {
  uint8_t digits[16];
  size_t first = sizeof digits;
  do {
    digits[--first] = (uint8_t) "0123456789abcdef"[value & 15];
    value >>= 4;
  } while (value > 0);
  cwire_writer_put_span(writer, cwire_span_make(digits + first, sizeof digits - first));
}
