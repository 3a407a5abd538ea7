#include "json_reader.h"

#include "digits.h"

static bool is_digit(uint8_t byte) {
  return byte >= '0' && byte <= '9';
}

static bool is_hex(uint8_t byte) {
  return is_digit(byte) || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
}

/* An escape whose backslash is at `next`. */
static const uint8_t *read_escape(cwire_json_reader *reader, const uint8_t *next) {
  const uint8_t *begin = next++;
  switch (cwire_json_peek(reader, next)) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't':
    return next + 1;
  case 'u':
    for (unsigned digit = 0; digit < 4; digit++) {
      next++;
      if (next == reader->end) return cwire_json_fail(reader, CWIRE_JSON_TRUNCATED, next);
      if (!is_hex(*next)) return cwire_json_fail(reader, CWIRE_JSON_ESCAPE, begin);
    }
    return next + 1;
  default:
    if (next == reader->end) return cwire_json_fail(reader, CWIRE_JSON_TRUNCATED, next);
    return cwire_json_fail(reader, CWIRE_JSON_ESCAPE, begin);
  }
}

/* Says what is wrong with the sequence at `next`, which cwire_utf8_sequence refused. */
static const uint8_t *fail_utf8(cwire_json_reader *reader, const uint8_t *next) {
  cwire_utf8_state state = {0};
  for (const uint8_t *byte = next; byte < reader->end; byte++) {
    if (!cwire_utf8_step(&state, *byte)) return cwire_json_fail(reader, CWIRE_JSON_UTF8, next);
  }
  return cwire_json_fail(reader, CWIRE_JSON_TRUNCATED, reader->end);
}

const uint8_t *cwire_json_read_long_string(cwire_json_reader *reader, const uint8_t *next,
                                           bool *escaped) {
  const uint8_t *end = reader->end;
  for (;;) {
    next = cwire_json_plain_run(next, end);
    if (next == end) return cwire_json_fail(reader, CWIRE_JSON_TRUNCATED, next);
    uint8_t byte = *next;
    if (byte == '"') return next + 1;
    if (byte == '\\') {
      *escaped = true;
      next = read_escape(reader, next);
      if (next == NULL) return NULL;
    } else if (byte < 0x20) {
      return cwire_json_fail(reader, CWIRE_JSON_CONTROL, next);
    } else {
      do {
        size_t length = cwire_utf8_sequence(next, end);
        if (length == 0) return fail_utf8(reader, next);
        next += length;
      } while (next < end && *next >= 0x80);
    }
  }
}

/* One digit or more. */
static const uint8_t *read_digits(cwire_json_reader *reader, const uint8_t *next) {
  if (next == reader->end) return cwire_json_fail(reader, CWIRE_JSON_TRUNCATED, next);
  if (!is_digit(*next)) return cwire_json_fail(reader, CWIRE_JSON_NUMBER, next);
  return cwire_skip_digits(next + 1, reader->end);
}

static const uint8_t *read_number(cwire_json_reader *reader, const uint8_t *next) {
  if (cwire_json_peek(reader, next) == '-') next++;
  if (cwire_json_peek(reader, next) == '0') {
    next++;
    if (is_digit(cwire_json_peek(reader, next))) {
      return cwire_json_fail(reader, CWIRE_JSON_NUMBER, next);
    }
  } else {
    next = read_digits(reader, next);
    if (next == NULL) return NULL;
  }
  if (cwire_json_peek(reader, next) == '.') {
    next = read_digits(reader, next + 1);
    if (next == NULL) return NULL;
  }
  if ((cwire_json_peek(reader, next) | 0x20) == 'e') {
    next++;
    uint8_t sign = cwire_json_peek(reader, next);
    if (sign == '+' || sign == '-') next++;
    next = read_digits(reader, next);
  }
  return next;
}

static const uint8_t *read_literal(cwire_json_reader *reader, const uint8_t *next,
                                   const char *literal) {
  for (; *literal != '\0'; literal++, next++) {
    if (cwire_json_peek(reader, next) != (uint8_t)*literal) {
      return cwire_json_unexpected(reader, next);
    }
  }
  return next;
}

const uint8_t *cwire_json_read_plain(cwire_json_reader *reader, const uint8_t *next) {
  switch (cwire_json_peek(reader, next)) {
  case 't':
    return read_literal(reader, next, "true");
  case 'f':
    return read_literal(reader, next, "false");
  case 'n':
    return read_literal(reader, next, "null");
  case '-':
  case '0':
  case '1':
  case '2':
  case '3':
  case '4':
  case '5':
  case '6':
  case '7':
  case '8':
  case '9':
    return read_number(reader, next);
  default:
    return cwire_json_unexpected(reader, next);
  }
}

/* A key, its colon and the space around them. */
static const uint8_t *read_key(cwire_json_reader *reader, const uint8_t *next) {
  bool escaped;
  if (cwire_json_peek(reader, next) != '"') return cwire_json_unexpected(reader, next);
  next = cwire_json_read_string(reader, next + 1, &escaped);
  if (next == NULL) return NULL;
  if (cwire_json_seek(reader, &next) != ':') return cwire_json_unexpected(reader, next);
  return cwire_json_skip_space(next + 1, reader->end);
}

const uint8_t *cwire_json_read_value(cwire_json_reader *reader, const uint8_t *next,
                                     unsigned max_depth) {
  uint8_t closers[CWIRE_JSON_DEPTH_MAX]; /* what ends each open container */
  unsigned depth = 0;
  bool escaped;
  if (max_depth > CWIRE_JSON_DEPTH_MAX) max_depth = CWIRE_JSON_DEPTH_MAX;
  for (;;) {
    /* A value begins at `next`. */
    uint8_t byte = cwire_json_peek(reader, next);
    if (byte == '{' || byte == '[') {
      if (depth == max_depth) return cwire_json_fail(reader, CWIRE_JSON_TOO_DEEP, next);
      closers[depth++] = byte == '{' ? '}' : ']';
      next++;
      if (cwire_json_seek(reader, &next) != closers[depth - 1]) {
        if (byte == '{') next = read_key(reader, next);
        if (next == NULL) return NULL;
        continue;
      }
      next++;
      depth--;
    } else {
      next = byte == '"' ? cwire_json_read_string(reader, next + 1, &escaped)
                         : cwire_json_read_plain(reader, next);
      if (next == NULL) return NULL;
    }
    /* A value has ended before `next`: containers close, or a comma leads to the next value. */
    for (;;) {
      if (depth == 0) return next;
      byte = cwire_json_seek(reader, &next);
      if (byte != closers[depth - 1]) break;
      next++;
      depth--;
    }
    if (byte != ',') return cwire_json_unexpected(reader, next);
    next = cwire_json_skip_space(next + 1, reader->end);
    if (closers[depth - 1] == '}') {
      next = read_key(reader, next);
      if (next == NULL) return NULL;
    }
  }
}
