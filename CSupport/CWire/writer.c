#include "cwire/writer.h"

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
