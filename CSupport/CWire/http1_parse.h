#ifndef CWIRE_HTTP1_PARSE_H
#define CWIRE_HTTP1_PARSE_H

/* Private to CWire: what request and response heads have in common. A head is parsed in this order,
 * and each step looks at bytes from the front only, so that neither the result nor the choice among
 * several errors depends on how the input was cut:
 *
 *   1. the first line, as soon as it is complete;
 *   2. the search for the empty line, which refuses stray control characters and line ends;
 *   3. the field lines;
 *   4. what they say together (Host, framing, connection). */

#include "cwire/http1.h"

/* Bytes of the first line besides the target: longest method or reason, spaces, version. */
enum { CWIRE_HTTP1_LINE_SLACK = 256 };

typedef struct cwire_http1_cursor {
  const uint8_t *start; /* of the input */
  const uint8_t *at;
  const uint8_t *end;  /* of the input, or of the largest permitted head */
  const uint8_t *seen; /* an earlier call has searched everything before */
  bool at_limit;       /* nothing may come after `end` */
} cwire_http1_cursor;

/* Positions a cursor at the start of the input. */
cwire_http1_cursor cwire_http1_cursor_make(const cwire_http1_limits *limits, cwire_span input,
                                           size_t already_seen);

/* Empties a head for a new parse; `headers` needs no clearing, as `count` says what is in use. */
void cwire_http1_clear(cwire_http1_head *head);

/* All of these return 1 when done, 0 if more input is needed, or a cwire_http1_error. */

/* Skips empty lines, then finds the first line and moves the cursor behind it. */
int cwire_http1_first_line(cwire_http1_cursor *cursor, const cwire_http1_limits *limits,
                           cwire_span *line);

/* Finds the empty line; `fields` becomes the field lines, each with its CRLF. Moves the cursor to
 * the end of the head. */
int cwire_http1_find_end(cwire_http1_cursor *cursor, cwire_span *fields);

/* Splits field lines into `known` and `headers`. `lenient`: space before a colon is dropped. */
int cwire_http1_parse_fields(cwire_http1_head *head, cwire_span fields, uint32_t max_headers,
                             bool lenient);

/* Reads "HTTP/1.d". */
int cwire_http1_parse_version(cwire_http1_head *head, cwire_span text);

/* Splits the target into path and query, and checks that its form suits the method. For an absolute
 * form `authority` becomes its authority, else it is left alone. */
int cwire_http1_parse_target(cwire_http1_head *head, cwire_span *authority);

/* Steps over the values of all lines of a field, headers[] included: start with `next` 0 and a
 * value comes with every true. */
bool cwire_http1_next_line(const cwire_http1_head *head, cwire_http1_field field, uint32_t *next,
                           cwire_span *value);

/* Sets content_length and framing from Content-Length and Transfer-Encoding, as far as the fields
 * say; requests and responses then adapt it to their kind. */
int cwire_http1_parse_framing(cwire_http1_head *head, bool lenient);

/* Sets keep_alive and upgrade from the version, Connection and Upgrade. */
void cwire_http1_parse_connection(cwire_http1_head *head);

static inline bool cwire_http1_has(const cwire_http1_head *head, cwire_http1_field field) {
  return (head->present >> field & 1) != 0;
}

static inline bool cwire_http1_has_twice(const cwire_http1_head *head, cwire_http1_field field) {
  return (head->repeated >> field & 1) != 0;
}

#endif
