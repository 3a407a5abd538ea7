#include "exchange.h"

#include <strings.h>

static cwire_http1_head head;

const cwire_http1_head *exchange_head(void) {
  return &head;
}

bool exchange_has_type(const cwire_http1_head *head, const char *type) {
  cwire_span value = head->known[CWIRE_FIELD_CONTENT_TYPE];
  size_t length = strlen(type);
  return value.length >= length && strncasecmp((const char *)value.base, type, length) == 0;
}

static exchange_step read_head(exchange *exchange, cwire_span *input) {
  static const cwire_http1_limits limits = {
      .max_head = 65536, .max_target = 8192, .max_headers = CWIRE_HTTP1_MAX_HEADERS};
  for (;;) {
    ptrdiff_t length = cwire_http1_parse_response(&head, &limits, *input, exchange->seen, false);
    if (length < 0) return EXCHANGE_FAILED;
    exchange->seen = length == 0 ? input->length : 0;
    if (length == 0) return EXCHANGE_MORE;
    *input = cwire_span_drop(*input, (size_t)length);
    if (head.status >= 200 || head.status == 101) break;
  }
  exchange->keep_alive = head.keep_alive;
  exchange->in_body = true;
  if (cwire_http1_body_start(&exchange->body, &head, UINT64_MAX) < 0) return EXCHANGE_FAILED;
  return EXCHANGE_HEAD;
}

exchange_step exchange_next(exchange *exchange, cwire_span *input, cwire_span *piece) {
  *piece = (cwire_span){0};
  if (!exchange->in_body) return input->length == 0 ? EXCHANGE_MORE : read_head(exchange, input);
  int status;
  do { /* framing alone is nothing to tell */
    status = cwire_http1_body_next(&exchange->body, input, piece);
  } while (status == CWIRE_MORE && piece->length == 0 && input->length > 0);
  if (status == CWIRE_OK) {
    exchange->in_body = false;
    return EXCHANGE_DONE;
  }
  if (status < 0) return EXCHANGE_FAILED;
  return piece->length > 0 ? EXCHANGE_BODY : EXCHANGE_MORE;
}
