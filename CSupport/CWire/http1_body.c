#include "cwire/http1_body.h"
#include "chunked.h"

int cwire_http1_body_start(cwire_http1_body *body, const cwire_http1_head *head,
                           uint64_t max_body) {
  *body = (cwire_http1_body){.allowance = max_body, .framing = (uint8_t)head->framing};
  switch (head->framing) {
  case CWIRE_FRAMING_NONE:
    return CWIRE_OK;
  case CWIRE_FRAMING_LENGTH:
    body->remaining = (uint64_t)head->content_length;
    return body->remaining > max_body ? CWIRE_HTTP1_BODY_TOO_LARGE : CWIRE_MORE;
  case CWIRE_FRAMING_CHUNKED:
    cwire_chunked_start(body);
    return CWIRE_MORE;
  case CWIRE_FRAMING_UNTIL_CLOSE:
    break;
  }
  return CWIRE_MORE;
}

/* Moves up to `*left` bytes from the input to the piece. */
static void take_piece(uint64_t *left, cwire_span *input, cwire_span *piece) {
  size_t length = input->length < *left ? input->length : (size_t)*left;
  *piece = cwire_span_take(*input, length);
  *input = cwire_span_drop(*input, length);
  *left -= length;
}

int cwire_http1_body_next(cwire_http1_body *body, cwire_span *input, cwire_span *piece) {
  *piece = cwire_span_make(NULL, 0);
  switch (body->framing) {
  case CWIRE_FRAMING_LENGTH:
    take_piece(&body->remaining, input, piece);
    return body->remaining == 0 ? CWIRE_OK : CWIRE_MORE;
  case CWIRE_FRAMING_CHUNKED:
    return cwire_chunked_next(body, input, piece);
  case CWIRE_FRAMING_UNTIL_CLOSE:
    if (input->length > 0 && body->allowance == 0) return CWIRE_HTTP1_BODY_TOO_LARGE;
    take_piece(&body->allowance, input, piece);
    return CWIRE_MORE;
  default:
    return CWIRE_OK;
  }
}

int cwire_http1_body_end(const cwire_http1_body *body) {
  switch (body->framing) {
  case CWIRE_FRAMING_LENGTH:
    return body->remaining == 0 ? CWIRE_OK : CWIRE_HTTP1_TRUNCATED;
  case CWIRE_FRAMING_CHUNKED:
    return cwire_chunked_is_done(body) ? CWIRE_OK : CWIRE_HTTP1_TRUNCATED;
  default:
    return CWIRE_OK;
  }
}
