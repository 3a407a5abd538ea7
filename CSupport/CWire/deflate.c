#include "cwire/deflate.h"

#include <stdlib.h>
#include <zlib.h>

/* What senders leave off each message and receivers add again (RFC 7692 section 7.2). */
static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};

struct cwire_deflate {
  z_stream inflater;
  z_stream deflaters[CWIRE_DEFLATE_MAX_BITS - CWIRE_DEFLATE_MIN_BITS + 1];
  z_stream *deflater; /* of the message being deflated */
  bool has_inflater;
  bool has_deflater[CWIRE_DEFLATE_MAX_BITS - CWIRE_DEFLATE_MIN_BITS + 1];

  uint64_t inflated_left;
  uint8_t tail_taken;
  bool in_tail;
  bool ended; /* the last thing read was the end of a final block */
  bool whole; /* and nothing of the message remains */

  uint8_t held[sizeof tail]; /* the last bytes deflated: the tail, unless more come */
  uint8_t held_count;
};

cwire_deflate *cwire_deflate_make(void) {
  return calloc(1, sizeof(cwire_deflate));
}

void cwire_deflate_free(cwire_deflate *codec) {
  if (codec == NULL) return;
  if (codec->has_inflater) inflateEnd(&codec->inflater);
  for (size_t index = 0; index < sizeof codec->has_deflater; index++) {
    if (codec->has_deflater[index]) deflateEnd(&codec->deflaters[index]);
  }
  free(codec);
}

/* zlib counts in unsigned int. */
static uInt chunk(size_t length) {
  return length < UINT32_MAX / 2 ? (uInt)length : UINT32_MAX / 2;
}

cwire_deflate_status cwire_inflate_begin(cwire_deflate *codec, uint64_t limit) {
  if (!codec->has_inflater) {
    if (inflateInit2(&codec->inflater, -CWIRE_DEFLATE_MAX_BITS) != Z_OK)
      return CWIRE_DEFLATE_MEMORY;
    codec->has_inflater = true;
  } else {
    inflateReset(&codec->inflater);
  }
  codec->inflated_left = limit;
  codec->tail_taken = 0;
  codec->in_tail = false;
  codec->ended = false;
  codec->whole = true;
  return CWIRE_DEFLATE_OK;
}

/* Inflates from `*input` until it or `capacity` is used up. */
static cwire_deflate_status inflate_some(cwire_deflate *codec, cwire_span *input, uint8_t *buffer,
                                         size_t capacity, size_t *out) {
  z_stream *stream = &codec->inflater;
  while (*out < capacity) {
    if (codec->ended) {
      if (input->length == 0) return CWIRE_DEFLATE_OK;
      /* Blocks may follow a final one, with the window as it was (RFC 7692 section 7.2.1). */
      inflateResetKeep(stream);
      codec->ended = false;
    }
    /* One byte more than may come shows a message that is too long. */
    size_t room = capacity - *out;
    if (room > codec->inflated_left) room = (size_t)codec->inflated_left + 1;
    stream->next_in = (Bytef *)(uintptr_t)input->base;
    stream->avail_in = chunk(input->length);
    stream->next_out = buffer + *out;
    stream->avail_out = chunk(room);
    uInt given = stream->avail_in, offered = stream->avail_out;
    int result = inflate(stream, Z_SYNC_FLUSH);
    *input = cwire_span_drop(*input, given - stream->avail_in);
    size_t produced = offered - stream->avail_out;
    if (produced > codec->inflated_left) return CWIRE_DEFLATE_TOO_BIG;
    codec->inflated_left -= produced;
    *out += produced;
    if (result == Z_MEM_ERROR) return CWIRE_DEFLATE_MEMORY;
    codec->ended = result == Z_STREAM_END;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
      return CWIRE_DEFLATE_INVALID;
    /* 128 and no bits over: between two blocks and two bytes. zlib says so only once. */
    if (produced > 0 || stream->avail_in < given)
      codec->whole = codec->ended || (stream->data_type & 0xff) == 128;
    if (input->length == 0 && stream->avail_out > 0) return CWIRE_DEFLATE_OK;
  }
  return CWIRE_DEFLATE_FULL;
}

cwire_deflate_status cwire_inflate_next(cwire_deflate *codec, cwire_span *input, bool last,
                                        uint8_t *buffer, size_t capacity, size_t *out) {
  cwire_deflate_status status = CWIRE_DEFLATE_OK;
  *out = 0;
  if (!codec->in_tail) {
    status = inflate_some(codec, input, buffer, capacity, out);
    if (status != CWIRE_DEFLATE_OK || !last) return status;
    /* Senders that leave nothing off, and those that end with a final block and nothing after it,
     * are understood too. */
    if (codec->whole) return CWIRE_DEFLATE_OK;
    codec->in_tail = true;
  }
  cwire_span rest = cwire_span_drop(cwire_span_make(tail, sizeof tail), codec->tail_taken);
  status = inflate_some(codec, &rest, buffer, capacity, out);
  codec->tail_taken = (uint8_t)(sizeof tail - rest.length);
  if (status != CWIRE_DEFLATE_OK) return status;
  return codec->whole ? CWIRE_DEFLATE_OK : CWIRE_DEFLATE_INVALID;
}

cwire_deflate_status cwire_deflate_begin(cwire_deflate *codec, unsigned bits) {
  if (bits < CWIRE_DEFLATE_MIN_BITS || bits > CWIRE_DEFLATE_MAX_BITS) return CWIRE_DEFLATE_INVALID;
  unsigned index = bits - CWIRE_DEFLATE_MIN_BITS;
  codec->deflater = &codec->deflaters[index];
  codec->held_count = 0;
  if (codec->has_deflater[index]) {
    deflateReset(codec->deflater);
    return CWIRE_DEFLATE_OK;
  }
  int result =
      deflateInit2(codec->deflater, Z_BEST_SPEED, Z_DEFLATED, -(int)bits, 8, Z_DEFAULT_STRATEGY);
  if (result != Z_OK) return CWIRE_DEFLATE_MEMORY;
  codec->has_deflater[index] = true;
  return CWIRE_DEFLATE_OK;
}

cwire_deflate_status cwire_deflate_next(cwire_deflate *codec, cwire_span *input, bool last,
                                        uint8_t *buffer, size_t capacity, size_t *out) {
  z_stream *stream = codec->deflater;
  size_t length = codec->held_count;
  memcpy(buffer, codec->held, length);
  bool done = false;
  while (!done && length < capacity) {
    stream->next_in = (Bytef *)(uintptr_t)input->base;
    stream->avail_in = chunk(input->length);
    stream->next_out = buffer + length;
    stream->avail_out = chunk(capacity - length);
    uInt given = stream->avail_in, offered = stream->avail_out;
    bool flush = last && given == input->length;
    (void)deflate(stream, flush ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    *input = cwire_span_drop(*input, given - stream->avail_in);
    length += offered - stream->avail_out;
    done = input->length == 0 && stream->avail_out > 0;
  }
  codec->held_count = (uint8_t)(length < sizeof tail ? length : sizeof tail);
  *out = length - codec->held_count;
  memcpy(codec->held, buffer + *out, codec->held_count);
  return done ? CWIRE_DEFLATE_OK : CWIRE_DEFLATE_FULL;
}
