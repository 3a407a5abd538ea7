#include "fuzz.h"
#include <zlib.h>

/* Whatever the input, inflating it gives the same however input and buffer are cut, and agrees with
 * zlib used plainly; and what is deflated from it inflates to it. */

#define LIMIT (1u << 14)

typedef struct outcome {
  uint8_t bytes[LIMIT + 1];
  size_t length;
  cwire_deflate_status status;
} outcome;

static void inflate_pieces(cwire_deflate *codec, cwire_span text, size_t piece, size_t room,
                           fuzz_random *random, outcome *outcome) {
  outcome->length = 0;
  outcome->status = cwire_inflate_begin(codec, LIMIT);
  bool last = false;
  while (outcome->status == CWIRE_DEFLATE_OK && !last) {
    size_t size = piece == 0 ? text.length : fuzz_below(random, piece + 1);
    cwire_span copy = fuzz_copy(cwire_span_take(text, size)), rest = copy;
    text = cwire_span_drop(text, copy.length);
    last = text.length == 0;
    do {
      size_t capacity = room == 0 ? LIMIT + 1 : 1 + fuzz_below(random, room), count;
      uint8_t *buffer = malloc(capacity);
      outcome->status = cwire_inflate_next(codec, &rest, last, buffer, capacity, &count);
      FUZZ_EXPECT(count <= capacity && outcome->length + count <= LIMIT);
      memcpy(outcome->bytes + outcome->length, buffer, count);
      outcome->length += count;
      free(buffer);
    } while (outcome->status == CWIRE_DEFLATE_FULL);
    FUZZ_EXPECT(outcome->status != CWIRE_DEFLATE_OK || rest.length == 0);
    fuzz_free(copy);
  }
}

/* A message without final blocks, by zlib itself: true if it is one and comes to at most LIMIT. */
static bool inflate_plainly(cwire_span text, uint8_t *out, size_t *length) {
  static uint8_t input[4096 + 4];
  memcpy(input, text.base, text.length);
  memcpy(input + text.length, "\0\0\xff\xff", 4);
  z_stream stream = {
      .next_in = input, .avail_in = (uInt)text.length + 4, .next_out = out, .avail_out = LIMIT + 1};
  FUZZ_EXPECT(inflateInit2(&stream, -15) == Z_OK);
  int result = inflate(&stream, Z_SYNC_FLUSH);
  *length = stream.total_out;
  bool whole = result == Z_OK && stream.avail_in == 0 && (stream.data_type & 0xff) == 128;
  inflateEnd(&stream);
  return whole && *length <= LIMIT;
}

static void check_inflate(cwire_deflate *codec, cwire_span text, fuzz_random *random) {
  static outcome whole, pieces;
  static uint8_t plain[LIMIT + 1];
  inflate_pieces(codec, text, 0, 0, random, &whole);
  const size_t cuts[4][2] = {{1, 1}, {1, 0}, {16, 100}, {0, 1}};
  for (unsigned index = 0; index < 4; index++) {
    inflate_pieces(codec, text, cuts[index][0], cuts[index][1], random, &pieces);
    FUZZ_EXPECT(whole.status == pieces.status);
    if (whole.status != CWIRE_DEFLATE_OK) continue;
    FUZZ_EXPECT(cwire_span_equal(cwire_span_make(whole.bytes, whole.length),
                                 cwire_span_make(pieces.bytes, pieces.length)));
  }
  size_t length;
  if (inflate_plainly(text, plain, &length)) {
    FUZZ_EXPECT(whole.status == CWIRE_DEFLATE_OK);
    FUZZ_EXPECT(cwire_span_equal(cwire_span_make(whole.bytes, whole.length),
                                 cwire_span_make(plain, length)));
  }
}

static void check_round_trip(cwire_deflate *codec, cwire_span text, unsigned bits,
                             fuzz_random *random) {
  static uint8_t message[1u << 18];
  static outcome back;
  size_t length = 0, room = 16 + fuzz_below(random, 200), piece = 1 + fuzz_below(random, 500);
  cwire_span left = text;
  FUZZ_EXPECT(cwire_deflate_begin(codec, bits) == CWIRE_DEFLATE_OK);
  bool last = false;
  while (!last) {
    cwire_span copy = fuzz_copy(cwire_span_take(left, piece)), rest = copy;
    left = cwire_span_drop(left, copy.length);
    last = left.length == 0;
    cwire_deflate_status status;
    do {
      size_t count;
      FUZZ_EXPECT(length + room <= sizeof message);
      status = cwire_deflate_next(codec, &rest, last, message + length, room, &count);
      length += count;
    } while (status == CWIRE_DEFLATE_FULL);
    FUZZ_EXPECT(status == CWIRE_DEFLATE_OK && rest.length == 0);
    fuzz_free(copy);
  }
  inflate_pieces(codec, cwire_span_make(message, length), 0, 0, random, &back);
  FUZZ_EXPECT(back.status == CWIRE_DEFLATE_OK);
  FUZZ_EXPECT(cwire_span_equal(cwire_span_make(back.bytes, back.length), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static cwire_deflate *codec; /* as in a loop, every message goes through the same one */
  if (codec == NULL) codec = cwire_deflate_make();
  if (size > 4096) return 0;
  cwire_span text = cwire_span_make(data, size);
  fuzz_random random = fuzz_seed(text);
  check_inflate(codec, text, &random);
  check_round_trip(codec, text, 9 + (unsigned)fuzz_below(&random, 7), &random);
  return 0;
}
