#include "http1_parse.h"
#include "http1_scan.h"

static const struct {
  const char *text;
  cwire_http1_method method;
} methods[] = {
    {"POST", CWIRE_METHOD_POST},       {"GET", CWIRE_METHOD_GET},
    {"DELETE", CWIRE_METHOD_DELETE},   {"OPTIONS", CWIRE_METHOD_OPTIONS},
    {"HEAD", CWIRE_METHOD_HEAD},       {"PUT", CWIRE_METHOD_PUT},
    {"PATCH", CWIRE_METHOD_PATCH},     {"TRACE", CWIRE_METHOD_TRACE},
    {"CONNECT", CWIRE_METHOD_CONNECT},
};

/* Methods are case-sensitive (RFC 9110 section 9.1). */
static cwire_http1_method find_method(cwire_span text) {
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
    if (cwire_span_equal(text, cwire_span_text(methods[i].text))) return methods[i].method;
  }
  return CWIRE_METHOD_OTHER;
}

/* method SP request-target SP HTTP-version (RFC 9112 section 3), each space one and only one. */
static int parse_request_line(cwire_http1_head *head, const cwire_http1_limits *limits,
                              cwire_span line, cwire_span *authority) {
  const uint8_t *end = line.base + line.length;
  const uint8_t *space = line.base;
  while (space < end && cwire_http1_is(*space, CWIRE_CLASS_TOKEN))
    space++;
  head->method_text = cwire_span_make(line.base, (size_t)(space - line.base));
  if (space < end && *space != ' ') return CWIRE_HTTP1_BAD_METHOD;
  if (head->method_text.length == 0 || space == end) return CWIRE_HTTP1_BAD_REQUEST_LINE;
  head->method = find_method(head->method_text);

  const uint8_t *target = space + 1;
  space = target;
  while (space < end && *space != ' ')
    space++;
  head->target = cwire_span_make(target, (size_t)(space - target));
  if (head->target.length == 0 || space == end) return CWIRE_HTTP1_BAD_REQUEST_LINE;
  int result =
      cwire_http1_parse_version(head, cwire_span_make(space + 1, (size_t)(end - space - 1)));
  if (result < 0) return result;

  if (head->target.length > limits->max_target) return CWIRE_HTTP1_TARGET_TOO_LONG;
  if (head->method == CWIRE_METHOD_CONNECT) return CWIRE_HTTP1_CONNECT;
  return cwire_http1_parse_target(head, authority);
}

/* RFC 9112 section 3.2: exactly one Host in HTTP/1.1, at most one before. */
static int check_host(cwire_http1_head *head, cwire_span authority) {
  if (cwire_http1_has_twice(head, CWIRE_FIELD_HOST)) return CWIRE_HTTP1_HOST_REPEATED;
  if (cwire_http1_has(head, CWIRE_FIELD_HOST)) {
    if (!cwire_http1_is_authority(head->known[CWIRE_FIELD_HOST])) return CWIRE_HTTP1_BAD_HOST;
  } else if (head->minor >= 1) {
    return CWIRE_HTTP1_HOST_MISSING;
  }
  if (authority.base != NULL) {
    head->known[CWIRE_FIELD_HOST] = authority;
    head->present |= UINT64_C(1) << CWIRE_FIELD_HOST;
  }
  return 1;
}

/* RFC 9110 section 10.1.1: to be ignored in HTTP/1.0, and moot without a body. An expectation that
 * is not understood can't be met. */
static int parse_expectation(cwire_http1_head *head) {
  head->expect_continue = false;
  if (!cwire_http1_has(head, CWIRE_FIELD_EXPECT) || head->minor == 0) return 1;
  if (!cwire_http1_has_token(head, CWIRE_FIELD_EXPECT, cwire_span_text("100-continue"))) {
    return CWIRE_HTTP1_BAD_EXPECTATION;
  }
  head->expect_continue = head->framing != CWIRE_FRAMING_NONE;
  return 1;
}

ptrdiff_t cwire_http1_parse_request(cwire_http1_head *head, const cwire_http1_limits *limits,
                                    cwire_span input, size_t already_seen) {
  cwire_http1_cursor cursor;
  cwire_span line, authority = {NULL, 0};
  int result = cwire_http1_begin(&cursor, head, limits, input, already_seen);
  if (result <= 0) return result;
  result = cwire_http1_first_line(&cursor, &line);
  if (result <= 0) return result;
  result = parse_request_line(head, limits, line, &authority);
  if (result <= 0) return result;
  result = cwire_http1_parse_fields(&cursor, head, limits->max_headers, false);
  if (result <= 0) return result;
  result = check_host(head, authority);
  if (result <= 0) return result;
  result = cwire_http1_parse_framing(head, false);
  if (result <= 0) return result;

  /* A request with a length of nothing has no body to wait for. */
  if (head->content_length == 0) head->framing = CWIRE_FRAMING_NONE;
  cwire_http1_parse_connection(head);
  result = parse_expectation(head);
  if (result <= 0) return result;
  return cursor.at - cursor.start;
}
