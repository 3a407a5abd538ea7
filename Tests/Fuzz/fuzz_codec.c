#include "fuzz.h"

/* UTF-8 against a decoder that is written down plainly; base64 and the Mcp header values there and
 * back. */

/* RFC 3629 section 3, one character at a time: decode, then ask whether the value needed that
 * length. */
static bool is_utf8(cwire_span text) {
  size_t index = 0;
  while (index < text.length) {
    uint32_t lead = text.base[index++];
    size_t more = lead < 0x80 ? 0 : lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    uint32_t point = more == 0 ? lead : lead & (0x3fu >> more);
    if ((lead >= 0x80 && lead < 0xc0) || lead >= 0xf8) return false;
    for (size_t count = 0; count < more; count++) {
      if (index == text.length || (text.base[index] & 0xc0) != 0x80) return false;
      point = point << 6 | (text.base[index++] & 0x3fu);
    }
    size_t needed = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    if (needed != more || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
  }
  return true;
}

static bool is_utf8_in_pieces(cwire_span text, fuzz_random *random) {
  cwire_utf8_state state = {0};
  while (text.length > 0) {
    cwire_span part = cwire_span_take(text, 1 + fuzz_below(random, text.length));
    cwire_span copy = fuzz_copy(part);
    bool good = cwire_utf8_feed(&state, copy);
    fuzz_free(copy);
    if (!good) return false;
    text = cwire_span_drop(text, part.length);
  }
  return cwire_utf8_at_rest(&state);
}

static void check_base64(cwire_span bytes, cwire_base64_alphabet alphabet) {
  size_t capacity = cwire_base64_encoded_length(bytes.length, alphabet);
  uint8_t *text = malloc(capacity + 1);
  uint8_t *back = malloc(bytes.length + 1);
  cwire_writer writer = cwire_writer_make(text, capacity);
  cwire_base64_put(&writer, bytes, alphabet);
  FUZZ_EXPECT(cwire_writer_ok(&writer) && writer.length == capacity);
  size_t length = cwire_base64_decode(cwire_writer_written(&writer), alphabet, back, bytes.length);
  FUZZ_EXPECT(length == bytes.length && cwire_span_equal(cwire_span_make(back, length), bytes));

  /* Whatever decodes has this one spelling. */
  length = cwire_base64_decode(bytes, alphabet, back, bytes.length);
  if (length != SIZE_MAX) {
    writer = cwire_writer_make(text, capacity);
    cwire_base64_put(&writer, cwire_span_make(back, length), alphabet);
    FUZZ_EXPECT(cwire_span_equal(cwire_writer_written(&writer), bytes));
  }
  free(text);
  free(back);
}

static void check_header(cwire_span text) {
  size_t capacity = cwire_mcp_header_encoded_length(text);
  uint8_t *value = malloc(capacity + 1);
  uint8_t *back = malloc(text.length + 1);
  (void)cwire_mcp_header_decode(text, back, text.length);
  if (cwire_utf8_valid(text)) {
    cwire_writer writer = cwire_writer_make(value, capacity);
    cwire_mcp_header_put(&writer, text);
    FUZZ_EXPECT(cwire_writer_ok(&writer) && writer.length == capacity);
    for (size_t index = 0; index < capacity; index++) {
      FUZZ_EXPECT(value[index] >= 0x20 && value[index] <= 0x7e);
    }
    size_t length = cwire_mcp_header_decode(cwire_writer_written(&writer), back, text.length);
    FUZZ_EXPECT(length == text.length && cwire_span_equal(cwire_span_make(back, length), text));
  }
  free(value);
  free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cwire_span text = fuzz_copy(cwire_span_make(data, size));
  fuzz_random random = fuzz_seed(text);
  bool valid = is_utf8(text);
  FUZZ_EXPECT(cwire_utf8_valid(text) == valid);
  FUZZ_EXPECT(is_utf8_in_pieces(text, &random) == valid);
  check_base64(text, CWIRE_BASE64_STANDARD);
  check_base64(text, CWIRE_BASE64_URL);
  check_header(text);

  /* Nothing to compare with here: the sanitizers watch. */
  uint8_t key[16] = {0};
  uint8_t mac[16];
  cwire_siphash128(key, text, mac);
  (void)cwire_siphash64(key, text);
  fuzz_free(text);
  return 0;
}
