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

/* The six bits that a letter stands for, and a bit for each alphabet that has it. */
enum { STANDARD = 0x40, URL = 0x80, BOTH = STANDARD | URL };

static const uint8_t sextets[256] = {
    ['A'] = BOTH | 0,  ['B'] = BOTH | 1,  ['C'] = BOTH | 2,      ['D'] = BOTH | 3,
    ['E'] = BOTH | 4,  ['F'] = BOTH | 5,  ['G'] = BOTH | 6,      ['H'] = BOTH | 7,
    ['I'] = BOTH | 8,  ['J'] = BOTH | 9,  ['K'] = BOTH | 10,     ['L'] = BOTH | 11,
    ['M'] = BOTH | 12, ['N'] = BOTH | 13, ['O'] = BOTH | 14,     ['P'] = BOTH | 15,
    ['Q'] = BOTH | 16, ['R'] = BOTH | 17, ['S'] = BOTH | 18,     ['T'] = BOTH | 19,
    ['U'] = BOTH | 20, ['V'] = BOTH | 21, ['W'] = BOTH | 22,     ['X'] = BOTH | 23,
    ['Y'] = BOTH | 24, ['Z'] = BOTH | 25, ['a'] = BOTH | 26,     ['b'] = BOTH | 27,
    ['c'] = BOTH | 28, ['d'] = BOTH | 29, ['e'] = BOTH | 30,     ['f'] = BOTH | 31,
    ['g'] = BOTH | 32, ['h'] = BOTH | 33, ['i'] = BOTH | 34,     ['j'] = BOTH | 35,
    ['k'] = BOTH | 36, ['l'] = BOTH | 37, ['m'] = BOTH | 38,     ['n'] = BOTH | 39,
    ['o'] = BOTH | 40, ['p'] = BOTH | 41, ['q'] = BOTH | 42,     ['r'] = BOTH | 43,
    ['s'] = BOTH | 44, ['t'] = BOTH | 45, ['u'] = BOTH | 46,     ['v'] = BOTH | 47,
    ['w'] = BOTH | 48, ['x'] = BOTH | 49, ['y'] = BOTH | 50,     ['z'] = BOTH | 51,
    ['0'] = BOTH | 52, ['1'] = BOTH | 53, ['2'] = BOTH | 54,     ['3'] = BOTH | 55,
    ['4'] = BOTH | 56, ['5'] = BOTH | 57, ['6'] = BOTH | 58,     ['7'] = BOTH | 59,
    ['8'] = BOTH | 60, ['9'] = BOTH | 61, ['+'] = STANDARD | 62, ['/'] = STANDARD | 63,
    ['-'] = URL | 62,  ['_'] = URL | 63,
};

/* The 24 bits of four letters; UINT32_MAX if one of them is not in the alphabet. */
static inline uint32_t read_group(const uint8_t *letters, uint8_t alphabet) {
  uint32_t a = sextets[letters[0]], b = sextets[letters[1]];
  uint32_t c = sextets[letters[2]], d = sextets[letters[3]];
  if ((a & b & c & d & alphabet) == 0) return UINT32_MAX;
  return (a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6 | (d & 63);
}

/* The two or three letters after the last group of four. The bytes written, or SIZE_MAX. */
static size_t decode_rest(const uint8_t *letters, size_t count, uint8_t alphabet, uint8_t *out) {
  /* An A in the place of what is missing adds nothing. */
  uint8_t group[4] = {letters[0], letters[1], count == 3 ? letters[2] : 'A', 'A'};
  uint32_t bits = read_group(group, alphabet);
  /* RFC 4648 section 3.5: bits that pad the last letter are zero, so that a value has one spelling.
   */
  if (bits == UINT32_MAX || (bits & (count == 3 ? 0xff : 0xffff)) != 0) return SIZE_MAX;
  out[0] = (uint8_t)(bits >> 16);
  if (count == 3) out[1] = (uint8_t)(bits >> 8);
  return count - 1;
}

size_t cwire_base64_decode(cwire_span text, cwire_base64_alphabet alphabet, uint8_t *out,
                           size_t capacity) {
  size_t length = text.length;
  if (alphabet == CWIRE_BASE64_STANDARD) {
    if (length % 4 != 0) return SIZE_MAX;
    if (length > 0 && text.base[length - 1] == '=') length--;
    if (length > 0 && length < text.length && text.base[length - 1] == '=') length--;
  }
  size_t rest = length % 4;
  if (rest == 1) return SIZE_MAX;
  size_t needed = length / 4 * 3 + (rest == 0 ? 0 : rest - 1);
  if (needed > capacity) return SIZE_MAX;
  uint8_t bit = alphabet == CWIRE_BASE64_URL ? URL : STANDARD;
  const uint8_t *letters = text.base;
  size_t written = 0;
  for (size_t groups = length / 4; groups > 0; groups--, letters += 4) {
    uint32_t bits = read_group(letters, bit);
    if (bits == UINT32_MAX) return SIZE_MAX;
    out[written++] = (uint8_t)(bits >> 16);
    out[written++] = (uint8_t)(bits >> 8);
    out[written++] = (uint8_t)bits;
  }
  if (rest == 0) return written;
  size_t more = decode_rest(letters, rest, bit, out + written);
  return more == SIZE_MAX ? SIZE_MAX : written + more;
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
