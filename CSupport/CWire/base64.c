#include "cwire/base64.h"

#include "cwire/utf8.h"

static const char *alphabet_of(cwire_base64_alphabet alphabet) {
  return alphabet == CWIRE_BASE64_URL
             ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
             : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

size_t cwire_base64_encoded_length(size_t length, cwire_base64_alphabet alphabet) {
  size_t rest = length % 3;
  size_t groups = length / 3 * 4;
  if (rest == 0) return groups;
  return groups + (alphabet == CWIRE_BASE64_URL ? rest + 1 : 4);
}

void cwire_base64_put(cwire_writer *writer, cwire_span bytes, cwire_base64_alphabet alphabet) {
  const char *letters = alphabet_of(alphabet);
  const uint8_t *in = bytes.base;
  size_t left = bytes.length;
  if (left == 0) return;
  uint8_t *out = cwire_writer_reserve(writer, cwire_base64_encoded_length(left, alphabet));
  if (out == NULL) return;
  for (; left >= 3; left -= 3, in += 3) {
    uint32_t group = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
    *out++ = (uint8_t)letters[group >> 18];
    *out++ = (uint8_t)letters[group >> 12 & 63];
    *out++ = (uint8_t)letters[group >> 6 & 63];
    *out++ = (uint8_t)letters[group & 63];
  }
  if (left == 0) return;
  uint32_t group = (uint32_t)in[0] << 16 | (left == 2 ? (uint32_t)in[1] << 8 : 0);
  *out++ = (uint8_t)letters[group >> 18];
  *out++ = (uint8_t)letters[group >> 12 & 63];
  if (left == 2) *out++ = (uint8_t)letters[group >> 6 & 63];
  if (alphabet == CWIRE_BASE64_URL) return;
  *out++ = '=';
  if (left == 1) *out = '=';
}

/* The six bits that a letter stands for, or 64. */
static uint32_t sextet(uint8_t letter, cwire_base64_alphabet alphabet) {
  if (letter >= 'A' && letter <= 'Z') return letter - 'A';
  if (letter >= 'a' && letter <= 'z') return letter - 'a' + 26u;
  if (letter >= '0' && letter <= '9') return letter - '0' + 52u;
  if (letter == (alphabet == CWIRE_BASE64_URL ? '-' : '+')) return 62;
  if (letter == (alphabet == CWIRE_BASE64_URL ? '_' : '/')) return 63;
  return 64;
}

size_t cwire_base64_decode(cwire_span text, cwire_base64_alphabet alphabet, uint8_t *out,
                           size_t capacity) {
  size_t length = text.length;
  if (alphabet == CWIRE_BASE64_STANDARD) {
    if (length % 4 != 0) return SIZE_MAX;
    if (length > 0 && text.base[length - 1] == '=') length--;
    if (length > 0 && length < text.length && text.base[length - 1] == '=') length--;
  }
  if (length % 4 == 1) return SIZE_MAX;
  size_t needed = length / 4 * 3 + (length % 4 == 0 ? 0 : length % 4 - 1);
  if (needed > capacity) return SIZE_MAX;
  size_t written = 0;
  uint32_t bits = 0;
  unsigned held = 0;
  for (size_t index = 0; index < length; index++) {
    uint32_t six = sextet(text.base[index], alphabet);
    if (six == 64) return SIZE_MAX;
    bits = bits << 6 | six;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[written++] = (uint8_t)(bits >> held);
      bits &= (1u << held) - 1;
    }
  }
  /* RFC 4648 section 3.5: bits that pad the last letter are zero, so that a value has one spelling.
   */
  return bits == 0 ? written : SIZE_MAX;
}

static const char sentinel_begin[] = "=?base64?";
static const char sentinel_end[] = "?=";

static bool is_wrapped(cwire_span value) {
  size_t begin = sizeof sentinel_begin - 1;
  size_t end = sizeof sentinel_end - 1;
  return value.length >= begin + end && memcmp(value.base, sentinel_begin, begin) == 0 &&
         memcmp(value.base + value.length - end, sentinel_end, end) == 0;
}

size_t cwire_mcp_header_decode(cwire_span value, uint8_t *out, size_t capacity) {
  value = cwire_span_trim(value);
  if (!is_wrapped(value)) {
    if (value.length > capacity) return SIZE_MAX;
    for (size_t index = 0; index < value.length; index++) {
      uint8_t byte = value.base[index];
      if ((byte < 0x20 && byte != '\t') || byte > 0x7e) return SIZE_MAX;
    }
    if (value.length > 0) memmove(out, value.base, value.length);
    return value.length;
  }
  size_t begin = sizeof sentinel_begin - 1;
  size_t end = sizeof sentinel_end - 1;
  cwire_span text = cwire_span_make(value.base + begin, value.length - begin - end);
  size_t length = cwire_base64_decode(text, CWIRE_BASE64_STANDARD, out, capacity);
  if (length == SIZE_MAX || !cwire_utf8_valid(cwire_span_make(out, length))) return SIZE_MAX;
  return length;
}

static bool is_plain_header(cwire_span text) {
  if (is_wrapped(text)) return false;
  if (cwire_span_trim(text).length != text.length) return false;
  for (size_t index = 0; index < text.length; index++) {
    if (text.base[index] < 0x20 || text.base[index] > 0x7e) return false;
  }
  return true;
}

size_t cwire_mcp_header_encoded_length(cwire_span text) {
  if (is_plain_header(text)) return text.length;
  return sizeof sentinel_begin - 1 + sizeof sentinel_end - 1 +
         cwire_base64_encoded_length(text.length, CWIRE_BASE64_STANDARD);
}

void cwire_mcp_header_put(cwire_writer *writer, cwire_span text) {
  if (is_plain_header(text)) {
    cwire_writer_put_span(writer, text);
    return;
  }
  cwire_writer_put_text(writer, sentinel_begin);
  cwire_base64_put(writer, text, CWIRE_BASE64_STANDARD);
  cwire_writer_put_text(writer, sentinel_end);
}
