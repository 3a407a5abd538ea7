#ifndef CWIRE_HTTP1_H
#define CWIRE_HTTP1_H

#include "cwire/http1_error.h"
#include "cwire/http1_field.h"
#include "cwire/span.h"

/* The most field lines that a head may have, whatever the limits say. */
#define CWIRE_HTTP1_MAX_HEADERS 100

/* Empty lines that are skipped before a request line (RFC 9112 section 2.2 asks for one). */
#define CWIRE_HTTP1_MAX_EMPTY_LINES 4

typedef enum cwire_http1_method {
  CWIRE_METHOD_OTHER, /* a valid token: for the caller to answer 405 or 501 */
  CWIRE_METHOD_GET,
  CWIRE_METHOD_HEAD,
  CWIRE_METHOD_POST,
  CWIRE_METHOD_PUT,
  CWIRE_METHOD_DELETE,
  CWIRE_METHOD_OPTIONS,
  CWIRE_METHOD_PATCH,
  CWIRE_METHOD_CONNECT, /* only ever beside CWIRE_HTTP1_CONNECT */
  CWIRE_METHOD_TRACE,
} cwire_http1_method;

/* How the end of the body is found (RFC 9112 section 6.3). */
typedef enum cwire_http1_framing {
  CWIRE_FRAMING_NONE, /* no body, or one of length 0 */
  CWIRE_FRAMING_LENGTH,
  CWIRE_FRAMING_CHUNKED,
  CWIRE_FRAMING_UNTIL_CLOSE, /* responses only */
} cwire_http1_framing;

typedef struct cwire_http1_header {
  cwire_span name;
  cwire_span value; /* trimmed, perhaps empty */
  cwire_http1_field field;
} cwire_http1_header;

/* A parsed head. All spans point into the input of the parse, or at constants, and die with it.
 * The struct is large scratch: keep one on the stack or per loop, never per connection. It is
 * meaningful only after a positive result. */
typedef struct cwire_http1_head {
  cwire_http1_method method;
  int minor;      /* HTTP/1.minor */
  int status;     /* responses: 100 to 999 */
  uint32_t count; /* headers used */

  cwire_span method_text;
  cwire_span target; /* as it was sent */
  cwire_span path;   /* not decoded; "*" for the asterisk form, "/" if an absolute form has none */
  cwire_span query;  /* after the "?"; base NULL without one */
  cwire_span reason; /* responses, perhaps empty */

  int64_t content_length; /* as declared, -1 if not; the framing says whether it counts */
  cwire_http1_framing framing;
  bool keep_alive;      /* the connection may carry another message after this one */
  bool expect_continue; /* HTTP/1.1 request with a body that waits for 100 */
  bool upgrade;         /* HTTP/1.1, an Upgrade field and the upgrade option in Connection */

  uint64_t present;  /* bit n: known[n] was there */
  uint64_t repeated; /* bit n: and more than once; the rest of them are in headers[] */

  /* The trimmed value of the first line of each field; base NULL without one. Host is already the
   * authority of an absolute-form target (RFC 9112 section 3.2.2). */
  cwire_span known[CWIRE_FIELD_COUNT];

  /* In order: fields outside the enumeration, and second and later lines of those inside. */
  cwire_http1_header headers[CWIRE_HTTP1_MAX_HEADERS];
} cwire_http1_head;

/* known[field] and headers[index] for languages that import arrays as tuples; the field must be in
 * the enumeration, the index below `count`. */
static inline cwire_span cwire_http1_value(const cwire_http1_head *head, cwire_http1_field field) {
  return head->known[field];
}

static inline cwire_http1_header cwire_http1_header_at(const cwire_http1_head *head,
                                                       uint32_t index) {
  return head->headers[index];
}

/* What a head may measure. */
typedef struct cwire_http1_limits {
  uint32_t max_head;    /* bytes to the end of the empty line: else 431, or 414 in the first line */
  uint32_t max_target;  /* bytes of the request target: else 414 */
  uint32_t max_headers; /* field lines, at most CWIRE_HTTP1_MAX_HEADERS: else 431 */
} cwire_http1_limits;

static inline cwire_http1_limits cwire_http1_default_limits(void) {
  return (cwire_http1_limits){
      .max_head = 32768, .max_target = 8192, .max_headers = CWIRE_HTTP1_MAX_HEADERS};
}

/* Parses the request head at the start of `input`, strictly (RFC 9110 section 5, RFC 9112 sections
 * 2 to 6): one spelling of every message, and anything two parsers might read in two ways refused.
 * Returns the bytes that the head takes up (positive, with skipped empty lines), 0 if the end of
 * the head is not there yet, or a cwire_http1_error.
 *
 * When more bytes have come after a 0, call again with all of the head so far and `already_seen` =
 * the length of the input that gave the 0 (0 on the first call): those bytes are not searched again
 * for the end. How the input is cut never changes the result. Any thread; no allocation. */
ptrdiff_t cwire_http1_parse_request(cwire_http1_head *head, const cwire_http1_limits *limits,
                                    cwire_span input, size_t already_seen);

/* The same for a response head, from an upstream. `response_to_head`: it answers a HEAD request and
 * has no body (RFC 9112 section 6.3). Interim responses (1xx) are returned like any other, without
 * a body. More lenient than for requests only where it can't move the end of a message: space
 * before a colon, no reason phrase, a Content-Length repeated with the same value. */
ptrdiff_t cwire_http1_parse_response(cwire_http1_head *head, const cwire_http1_limits *limits,
                                     cwire_span input, size_t already_seen, bool response_to_head);

/* Whether the lines of a list-valued field contain a token, in any case (`Accept` aside, whose
 * elements have parameters): all lines of it, those in headers[] too. */
bool cwire_http1_has_token(const cwire_http1_head *head, cwire_http1_field field, cwire_span token);

/* Whether a value is host[:port] as RFC 9110 section 7.2 has it: a name, an IPv4 address or a
 * bracketed IPv6 address; no user information, nothing empty, a port up to 65535. */
bool cwire_http1_is_authority(cwire_span value);

/* The value of the first field outside the enumeration with that name; base NULL without one. */
cwire_span cwire_http1_find_header(const cwire_http1_head *head, cwire_span name);

#endif
