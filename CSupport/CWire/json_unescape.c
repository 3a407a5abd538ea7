#include "json_reader.h"

/* The value of the four hexadecimal digits at `digits`, or -1. */
static int32_t hex4(const uint8_t *digits) {
  int32_t value = 0;
  for (unsigned index = 0; index < 4; index++) {
    uint8_t byte = digits[index];
    if (byte >= '0' && byte <= '9') {
      value = value << 4 | (byte - '0');
    } else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f') {
      value = value << 4 | ((byte | 0x20) - 'a' + 10);
    } else {
      return -1;
    }
  }
  return value;
}

static size_t put_utf8(uint8_t out[4], uint32_t point) {
  if (point < 0x80) {
    out[0] = (uint8_t)point;
    return 1;
  }
  if (point < 0x800) {
    out[0] = (uint8_t)(0xc0 | point >> 6);
    out[1] = (uint8_t)(0x80 | (point & 0x3f));
    return 2;
  }
  if (point < 0x10000) {
    out[0] = (uint8_t)(0xe0 | point >> 12);
    out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
    out[2] = (uint8_t)(0x80 | (point & 0x3f));
    return 3;
  }
  out[0] = (uint8_t)(0xf0 | point >> 18);
  out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
  out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
  out[3] = (uint8_t)(0x80 | (point & 0x3f));
  return 4;
}

/* Reads the escape at `text[0]` (a backslash). Returns how many bytes it takes, or 0 when it is
 * malformed; its UTF-8 goes to `out`. */
static size_t unescape_one(cwire_span text, uint8_t out[4], size_t *out_length) {
  if (text.length < 2) return 0;
  *out_length = 1;
  switch (text.base[1]) {
  case '"':
  case '\\':
  case '/':
    out[0] = text.base[1];
    return 2;
  case 'b':
    out[0] = '\b';
    return 2;
  case 'f':
    out[0] = '\f';
    return 2;
  case 'n':
    out[0] = '\n';
    return 2;
  case 'r':
    out[0] = '\r';
    return 2;
  case 't':
    out[0] = '\t';
    return 2;
  case 'u':
    break;
  default:
    return 0;
  }
  int32_t unit = text.length < 6 ? -1 : hex4(text.base + 2);
  if (unit < 0) return 0;
  size_t taken = 6;
  uint32_t point = (uint32_t)unit;
  if (point >= 0xd800 && point <= 0xdfff) {
    int32_t low = -1;
    if (point < 0xdc00 && text.length >= 12 && text.base[6] == '\\' && text.base[7] == 'u') {
      low = hex4(text.base + 8);
    }
    if (low >= 0xdc00 && low <= 0xdfff) {
      point = 0x10000 + ((point - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
      taken = 12;
    } else {
      point = 0xfffd;
    }
  }
  *out_length = put_utf8(out, point);
  return taken;
}

size_t cwire_json_unescape(cwire_span contents, uint8_t *out, size_t capacity) {
  size_t written = 0;
  while (contents.length > 0) {
    const uint8_t *backslash = memchr(contents.base, '\\', contents.length);
    size_t plain = backslash == NULL ? contents.length : (size_t)(backslash - contents.base);
    if (plain > capacity - written) return SIZE_MAX;
    if (plain > 0) memmove(out + written, contents.base, plain);
    written += plain;
    contents = cwire_span_drop(contents, plain);
    if (contents.length == 0) break;
    uint8_t bytes[4];
    size_t length;
    size_t taken = unescape_one(contents, bytes, &length);
    if (taken == 0 || length > capacity - written) return SIZE_MAX;
    memcpy(out + written, bytes, length);
    written += length;
    contents = cwire_span_drop(contents, taken);
  }
  return written;
}

bool cwire_json_key_equal(cwire_span key, bool escaped, cwire_span name) {
  if (!escaped || key.length == 0 || memchr(key.base, '\\', key.length) == NULL)
    return cwire_span_equal(key, name);
  while (key.length > 0) {
    uint8_t bytes[4] = {key.base[0]};
    size_t length = 1;
    size_t taken = key.base[0] == '\\' ? unescape_one(key, bytes, &length) : 1;
    if (taken == 0 || length > name.length || memcmp(bytes, name.base, length) != 0) return false;
    key = cwire_span_drop(key, taken);
    name = cwire_span_drop(name, length);
  }
  return name.length == 0;
}
