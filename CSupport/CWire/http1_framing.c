#include "http1_parse.h"
#include "http1_scan.h"

static int parse_length(cwire_http1_head *head, cwire_span digits) {
  uint64_t length;
  if (!cwire_span_to_u64(digits, &length) || length > INT64_MAX) {
    return CWIRE_HTTP1_BAD_CONTENT_LENGTH;
  }
  if (head->content_length >= 0 && head->content_length != (int64_t)length) {
    return CWIRE_HTTP1_LENGTH_REPEATED;
  }
  head->content_length = (int64_t)length;
  return 1;
}

/* A response may repeat the same length in a list or on several lines (RFC 9110 section 8.6); in a
 * request that is refused, because whoever sent it may have counted on the other one. */
static int parse_lengths(cwire_http1_head *head, bool lenient) {
  bool twice = cwire_http1_has_twice(head, CWIRE_FIELD_CONTENT_LENGTH);
  if (!lenient && twice) return CWIRE_HTTP1_LENGTH_REPEATED;
  if (!twice) {
    /* Nearly always it is one number; a list is looked for only where it is not. */
    int result = parse_length(head, head->known[CWIRE_FIELD_CONTENT_LENGTH]);
    if (!lenient || result == 1) return result;
  }
  cwire_span value, element;
  for (uint32_t next = 0; cwire_http1_next_line(head, CWIRE_FIELD_CONTENT_LENGTH, &next, &value);) {
    while (cwire_span_next_element(&value, &element)) {
      int result = parse_length(head, element);
      if (result < 0) return result;
    }
  }
  return 1;
}

/* All lines together are one list (RFC 9112 section 6.1). Only "chunked" by itself passes. */
static int parse_codings(const cwire_http1_head *head) {
  const cwire_span chunked = cwire_span_text("chunked");
  bool ended = false, unknown = false;
  cwire_span value, element;
  for (uint32_t next = 0;
       cwire_http1_next_line(head, CWIRE_FIELD_TRANSFER_ENCODING, &next, &value);) {
    while (cwire_span_next_element(&value, &element)) {
      if (element.length == 0 || ended) return CWIRE_HTTP1_BAD_CODING;
      const uint8_t *semicolon = memchr(element.base, ';', element.length);
      cwire_span name = element;
      if (semicolon != NULL) name.length = (size_t)(semicolon - element.base);
      name = cwire_span_trim(name);
      if (name.length == 0 || !cwire_http1_all(name, CWIRE_CLASS_TOKEN)) {
        return CWIRE_HTTP1_BAD_CODING;
      }
      if (!cwire_span_equal_ignoring_case(name, chunked)) {
        unknown = true;
        continue;
      }
      if (semicolon != NULL) return CWIRE_HTTP1_BAD_CODING; /* chunked has no parameters */
      ended = true;
    }
  }
  return unknown ? CWIRE_HTTP1_UNKNOWN_CODING : 1;
}

int cwire_http1_parse_framing(cwire_http1_head *head, bool lenient) {
  bool coded = cwire_http1_has(head, CWIRE_FIELD_TRANSFER_ENCODING);
  bool measured = cwire_http1_has(head, CWIRE_FIELD_CONTENT_LENGTH);
  head->framing = CWIRE_FRAMING_NONE;
  head->content_length = -1;
  if (coded && measured) return CWIRE_HTTP1_LENGTH_AND_CODING;
  if (coded) {
    if (head->minor == 0 && !lenient) return CWIRE_HTTP1_CODING_IN_1_0;
    head->framing = CWIRE_FRAMING_CHUNKED;
    return parse_codings(head);
  }
  if (measured) {
    head->framing = CWIRE_FRAMING_LENGTH;
    return parse_lengths(head, lenient);
  }
  return 1;
}

void cwire_http1_parse_connection(cwire_http1_head *head) {
  head->keep_alive = head->minor >= 1;
  head->upgrade = false;
  if (!cwire_http1_has(head, CWIRE_FIELD_CONNECTION)) return;
  bool keep = false, close = false, upgrade = false;
  cwire_span value, element;
  for (uint32_t next = 0; cwire_http1_next_line(head, CWIRE_FIELD_CONNECTION, &next, &value);) {
    while (cwire_span_next_element(&value, &element)) {
      keep |= cwire_span_equal_ignoring_case(element, cwire_span_text("keep-alive"));
      close |= cwire_span_equal_ignoring_case(element, cwire_span_text("close"));
      upgrade |= cwire_span_equal_ignoring_case(element, cwire_span_text("upgrade"));
    }
  }
  head->keep_alive = (head->minor >= 1 || keep) && !close;
  head->upgrade = upgrade && head->minor >= 1 && cwire_http1_has(head, CWIRE_FIELD_UPGRADE);
}
