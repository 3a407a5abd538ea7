#include "cwire/span.h"

#include "digits.h"

bool cwire_span_equal_ignoring_case(cwire_span a, cwire_span b) {
  if (a.length != b.length) return false;
  for (size_t i = 0; i < a.length; i++) {
    uint8_t difference = a.base[i] ^ b.base[i];
    if (difference == 0) continue;
    uint8_t letter = a.base[i] | 0x20;
    if (difference != 0x20 || letter < 'a' || letter > 'z') return false;
  }
  return true;
}

bool cwire_span_next_element(cwire_span *list, cwire_span *element) {
  if (list->base == NULL) return false;
  const uint8_t *comma = list->length > 0 ? memchr(list->base, ',', list->length) : NULL;
  if (comma == NULL) {
    *element = cwire_span_trim(*list);
    *list = cwire_span_make(NULL, 0);
    return true;
  }
  size_t length = (size_t)(comma - list->base);
  *element = cwire_span_trim(cwire_span_take(*list, length));
  *list = cwire_span_drop(*list, length + 1);
  return true;
}

bool cwire_span_to_u64(cwire_span span, uint64_t *value) {
  if (span.length == 0) return false;
  uint64_t sum = 0;
  size_t i = 0;
  /* Sixteen digits fit. */
  for (; i < 16 && span.length - i >= 8; i += 8) {
    uint64_t eight = cwire_eight_above_zero(span.base + i);
    if (!cwire_are_eight_digits(eight)) return false;
    sum = sum * 100000000 + cwire_eight_digits(eight);
  }
  for (; i < span.length; i++) {
    uint8_t digit = (uint8_t)(span.base[i] - '0');
    if (digit > 9) return false;
    if (__builtin_mul_overflow(sum, 10u, &sum)) return false;
    if (__builtin_add_overflow(sum, digit, &sum)) return false;
  }
  *value = sum;
  return true;
}
