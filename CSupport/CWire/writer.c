#include "cwire/writer.h"

/* 00 to 99. */
static const char pairs_of_digits[] = "00010203040506070809101112131415161718192021222324"
                                      "25262728293031323334353637383940414243444546474849"
                                      "50515253545556575859606162636465666768697071727374"
                                      "75767778798081828384858687888990919293949596979899";

void cwire_writer_put_u64(cwire_writer *writer, uint64_t value) {
  uint8_t digits[20];
  size_t first = sizeof digits;
  while (value >= 100) {
    memcpy(digits + (first -= 2), pairs_of_digits + 2 * (value % 100), 2);
    value /= 100;
  }
  if (value >= 10) {
    memcpy(digits + (first -= 2), pairs_of_digits + 2 * value, 2);
  } else {
    digits[--first] = (uint8_t)('0' + value);
  }
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
