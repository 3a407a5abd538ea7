#include "cwire/json.h"

#include "digits.h"
#include "json_reader.h"

static cwire_json_reader reader_over(cwire_span text) {
  static const uint8_t nothing[1] = {0};
  const uint8_t *base = text.base == NULL ? nothing : text.base;
  return (cwire_json_reader){.end = base + text.length, .fault = base};
}

cwire_json_status cwire_json_value_end(cwire_span text, unsigned max_depth, size_t *end) {
  cwire_json_reader reader = reader_over(text);
  const uint8_t *base = reader.fault;
  const uint8_t *next = cwire_json_skip_space(base, reader.end);
  next = cwire_json_read_value(&reader, next, max_depth);
  *end = (size_t)((next == NULL ? reader.fault : next) - base);
  return reader.status;
}

cwire_json_status cwire_json_validate(cwire_span text, unsigned max_depth, size_t *fault) {
  size_t end;
  cwire_json_status status = cwire_json_value_end(text, max_depth, &end);
  if (status == CWIRE_JSON_OK) {
    while (end < text.length && cwire_json_is_space(text.base[end]))
      end++;
    if (end < text.length) status = CWIRE_JSON_TRAILING;
  }
  if (fault != NULL) *fault = end;
  return status;
}

cwire_json_kind cwire_json_kind_of(cwire_span value) {
  if (value.length == 0) return CWIRE_JSON_NONE;
  switch (value.base[0]) {
  case '{':
    return CWIRE_JSON_OBJECT;
  case '[':
    return CWIRE_JSON_ARRAY;
  case '"':
    return CWIRE_JSON_STRING;
  case 't':
    return CWIRE_JSON_TRUE;
  case 'f':
    return CWIRE_JSON_FALSE;
  case 'n':
    return CWIRE_JSON_NULL;
  default:
    break;
  }
  if (value.base[0] != '-' && (value.base[0] < '0' || value.base[0] > '9')) return CWIRE_JSON_NONE;
  const uint8_t *end = value.base + value.length;
  return cwire_skip_digits(value.base + 1, end) == end ? CWIRE_JSON_INTEGER
                                                       : CWIRE_JSON_NUMBER_TOKEN;
}

bool cwire_json_string(cwire_span value, cwire_span *contents, bool *escaped) {
  if (value.length < 2 || value.base[0] != '"' || value.base[value.length - 1] != '"') return false;
  *contents = cwire_span_make(value.base + 1, value.length - 2);
  if (escaped != NULL) {
    *escaped = contents->length > 0 && memchr(contents->base, '\\', contents->length) != NULL;
  }
  return true;
}

bool cwire_json_int64(cwire_span value, int64_t *number) {
  bool negative = value.length > 0 && value.base[0] == '-';
  size_t index = negative ? 1 : 0;
  if (index == value.length) return false;
  uint64_t magnitude = 0;
  for (; index < value.length; index++) {
    unsigned digit = (unsigned)value.base[index] - '0';
    if (digit > 9) return false;
    if (__builtin_mul_overflow(magnitude, (uint64_t)10, &magnitude) ||
        __builtin_add_overflow(magnitude, (uint64_t)digit, &magnitude)) {
      return false;
    }
  }
  if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) return false;
  *number = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
  return true;
}

cwire_json_status cwire_json_iterate(cwire_json_iterator *iterator, cwire_span container,
                                     unsigned max_depth) {
  cwire_json_reader reader = reader_over(container);
  const uint8_t *base = reader.fault;
  const uint8_t *next = cwire_json_skip_space(base, reader.end);
  uint8_t opener = cwire_json_peek(&reader, next);
  *iterator = (cwire_json_iterator){
      .base = base, .end = reader.end, .object = opener == '{', .first = true};
  if (opener != '{' && opener != '[') {
    cwire_json_unexpected(&reader, next);
    return reader.status;
  }
  if (max_depth == 0) return CWIRE_JSON_TOO_DEEP;
  iterator->next = next + 1;
  iterator->max_depth = max_depth - 1;
  return CWIRE_JSON_OK;
}

cwire_json_status cwire_json_next(cwire_json_iterator *iterator, cwire_json_member *item) {
  cwire_json_reader reader = {.end = iterator->end};
  const uint8_t *next = cwire_json_skip_space(iterator->next, reader.end);
  bool first = iterator->first;
  *item = (cwire_json_member){0};
  iterator->first = false;
  if (cwire_json_peek(&reader, next) == (iterator->object ? '}' : ']')) {
    iterator->next = next + 1;
    return CWIRE_JSON_END;
  }
  if (!first) {
    if (cwire_json_peek(&reader, next) != ',') {
      cwire_json_unexpected(&reader, next);
      return reader.status;
    }
    next = cwire_json_skip_space(next + 1, reader.end);
  }
  const uint8_t *begin = next;
  if (iterator->object) {
    if (cwire_json_peek(&reader, next) != '"') {
      cwire_json_unexpected(&reader, next);
      return reader.status;
    }
    next = cwire_json_read_string(&reader, next + 1, &item->key_escaped);
    if (next == NULL) return reader.status;
    item->key = cwire_span_make(begin + 1, (size_t)(next - begin) - 2);
    if (cwire_json_seek(&reader, &next) != ':') {
      cwire_json_unexpected(&reader, next);
      return reader.status;
    }
    next = cwire_json_skip_space(next + 1, reader.end);
  }
  const uint8_t *value = next;
  next = cwire_json_read_value(&reader, next, iterator->max_depth);
  if (next == NULL) return reader.status;
  item->value = cwire_span_make(value, (size_t)(next - value));
  item->extent = cwire_span_make(begin, (size_t)(next - begin));
  iterator->next = next;
  return CWIRE_JSON_OK;
}

bool cwire_json_find(cwire_span object, const char *name, cwire_json_member *member) {
  cwire_json_iterator iterator;
  cwire_span wanted = cwire_span_text(name);
  if (cwire_json_iterate(&iterator, object, CWIRE_JSON_DEPTH_MAX) != CWIRE_JSON_OK) return false;
  if (!iterator.object) return false;
  while (cwire_json_next(&iterator, member) == CWIRE_JSON_OK) {
    if (cwire_json_key_equal(member->key, member->key_escaped, wanted)) return true;
  }
  return false;
}
