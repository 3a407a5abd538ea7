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

/* One more than the six bits that a letter stands for, in either alphabet; 0 for any other byte. */
static const uint8_t sextets[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['-'] = 63,
    ['/'] = 64, ['_'] = 64,
};

/* The six bits that a letter stands for, or 64. */
static uint32_t sextet(uint8_t letter, cwire_base64_alphabet alphabet) {
  uint32_t six = sextets[letter];
  if (six == 0) return 64;
  if (six >= 63) {
    bool is_url = letter == '-' || letter == '_';
    if (is_url != (alphabet == CWIRE_BASE64_URL)) return 64;
  }
  return six - 1;
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
  size_t index = 0;
  for (; index + 4 <= length; index += 4) {
    const uint8_t *letters = text.base + index;
    uint32_t a = sextet(letters[0], alphabet), b = sextet(letters[1], alphabet);
    uint32_t c = sextet(letters[2], alphabet), d = sextet(letters[3], alphabet);
    if ((a | b | c | d) & 64) return SIZE_MAX;
    uint32_t group = a << 18 | b << 12 | c << 6 | d;
    out[written++] = (uint8_t)(group >> 16);
    out[written++] = (uint8_t)(group >> 8);
    out[written++] = (uint8_t)group;
  }
  for (; index < length; index++) {
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
