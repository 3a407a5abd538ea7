// links: CWire
#include "fuzz_http1.h"

/* What a body came to. */
typedef struct outcome {
  int status;
  size_t consumed;
  size_t length;
  uint8_t *data;
} outcome;

/* Decodes `input` in pieces of up to `step` bytes (0: all at once), each copied to exact size. */
static outcome decode(const cwire_http1_head *head, uint64_t max_body, cwire_span input,
                      uint32_t step) {
  outcome result = {.data = malloc(input.length + 1)};
  cwire_http1_body body;
  uint32_t random = (uint32_t)input.length + step;
  result.status = cwire_http1_body_start(&body, head, max_body);
  while (result.status == CWIRE_MORE && result.consumed < input.length) {
    cwire_span rest = cwire_span_drop(input, result.consumed);
    if (step > 0) rest = cwire_span_take(rest, 1 + next_random(&random) % step);
    rest = copy(rest);
    cwire_span left = rest, piece;
    do {
      size_t before = left.length;
      result.status = cwire_http1_body_next(&body, &left, &piece);
      require(left.length < before || result.status < 0);
      if (piece.length > 0) {
        require(piece.base >= rest.base && piece.base + piece.length <= rest.base + rest.length);
        memcpy(result.data + result.length, piece.base, piece.length);
        result.length += piece.length;
      }
    } while (result.status == CWIRE_MORE && left.length > 0);
    result.consumed += rest.length - left.length;
    free((void *)rest.base);
  }
  require(result.length <= max_body);
  require(result.status != CWIRE_OK || cwire_http1_body_end(&body) == CWIRE_OK);
  return result;
}

/* The data of a complete body, sent as chunks of ours, decodes to itself. */
static void check_rewrite(const cwire_http1_head *head, const outcome *whole) {
  size_t capacity = whole->length + 64;
  cwire_writer writer = cwire_writer_make(malloc(capacity), capacity);
  if (whole->length > 0) {
    cwire_http1_put_chunk_head(&writer, whole->length);
    cwire_writer_put_span(&writer, cwire_span_make(whole->data, whole->length));
    cwire_writer_put_text(&writer, "\r\n");
  }
  cwire_writer_put_text(&writer, "0\r\n\r\n");
  require(cwire_writer_ok(&writer));
  outcome again = decode(head, UINT64_MAX, cwire_writer_written(&writer), 7);
  require(again.status == CWIRE_OK && again.consumed == writer.length);
  require(again.length == whole->length && memcmp(again.data, whole->data, again.length) == 0);
  free(again.data);
  free(writer.base);
}

/* The last byte chooses the framing and the limit. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  uint8_t choice = data[size - 1];
  cwire_span input = cwire_span_make(data, size - 1);
  static cwire_http1_head head;
  head.content_length = choice >> 3;
  head.framing = (choice & 3) == 0   ? CWIRE_FRAMING_LENGTH
                 : (choice & 3) == 1 ? CWIRE_FRAMING_UNTIL_CLOSE
                                     : CWIRE_FRAMING_CHUNKED;
  if (head.framing == CWIRE_FRAMING_LENGTH && head.content_length == 0) return 0;
  uint64_t max_body = choice & 4 ? 16 : UINT64_MAX;

  outcome whole = decode(&head, max_body, input, 0);
  for (uint32_t step = 1; step <= 64; step *= 8) {
    outcome cut = decode(&head, max_body, input, step);
    require(cut.status == whole.status && cut.length == whole.length);
    require(memcmp(cut.data, whole.data, cut.length) == 0);
    require(cut.consumed == whole.consumed);
    free(cut.data);
  }
  if (head.framing == CWIRE_FRAMING_CHUNKED && whole.status == CWIRE_OK) {
    check_rewrite(&head, &whole);
  }
  free(whole.data);
  return 0;
}
