#include "http1_parse.h"
#include "http1_scan.h"

/* HTTP-version SP status-code [SP reason-phrase] (RFC 9112 section 4). The second space is due even
 * before an empty reason, but many servers leave both out. */
static int parse_status_line(cwire_http1_head *head, cwire_span line) {
  if (line.length < 12) return CWIRE_HTTP1_BAD_STATUS_LINE;
  int result = cwire_http1_parse_version(head, cwire_span_take(line, 8));
  if (result < 0) return result;

  uint64_t status;
  if (line.base[8] != ' ' || !cwire_span_to_u64(cwire_span_make(line.base + 9, 3), &status)) {
    return CWIRE_HTTP1_BAD_STATUS_LINE;
  }
  if (status < 100 || (line.length > 12 && line.base[12] != ' ')) {
    return CWIRE_HTTP1_BAD_STATUS_LINE;
  }
  head->status = (int)status;
  head->reason = cwire_span_trim(cwire_span_drop(line, 13));
  return 1;
}

/* RFC 9112 section 6.3, for everything but CONNECT. */
static void settle_framing(cwire_http1_head *head, bool response_to_head) {
  bool bodiless = head->status < 200 || head->status == 204 || head->status == 304;
  if (bodiless && head->status != 304) {
    /* These may not announce a body. One that does may also send it, and its bytes would then pass
     * for the next response. */
    if (head->framing == CWIRE_FRAMING_CHUNKED || head->content_length > 0) {
      head->keep_alive = false;
    }
  }
  if (bodiless || response_to_head) {
    head->framing = CWIRE_FRAMING_NONE;
  } else if (head->framing == CWIRE_FRAMING_CHUNKED) {
    if (head->minor == 0) head->keep_alive = false; /* section 6.1: suspect, so nothing after it */
  } else if (head->content_length == 0) {
    head->framing = CWIRE_FRAMING_NONE;
  } else if (head->content_length < 0) {
    head->framing = CWIRE_FRAMING_UNTIL_CLOSE;
    head->keep_alive = false;
  }
}

ptrdiff_t cwire_http1_parse_response(cwire_http1_head *head, const cwire_http1_limits *limits,
                                     cwire_span input, size_t already_seen, bool response_to_head) {
  cwire_http1_cursor cursor;
  cwire_span line;
  int result = cwire_http1_begin(&cursor, head, limits, input, already_seen);
  if (result <= 0) return result;
  result = cwire_http1_first_line(&cursor, &line);
  if (result <= 0) return result;
  result = parse_status_line(head, line);
  if (result <= 0) return result;
  result = cwire_http1_parse_fields(&cursor, head, limits->max_headers, true);
  if (result <= 0) return result;
  result = cwire_http1_parse_framing(head, true);
  if (result <= 0) return result;
  cwire_http1_parse_connection(head);
  settle_framing(head, response_to_head);
  return cursor.at - cursor.start;
}
