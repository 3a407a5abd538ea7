#ifndef CWIRE_HTTP1_PARSE_H
#define CWIRE_HTTP1_PARSE_H

/* Private to CWire: what request and response heads have in common. A head is read line by line
 * from the front, and a line is judged as soon as it is complete and not before (but for a stray
 * control character, which is refused wherever it stands). So neither the result nor the choice
 * among several errors depends on how the input was cut. What the fields say together (Host,
 * framing, connection) comes last. */

#include "cwire/http1.h"

/* Bytes of the first line besides the target: method or reason, spaces, version. */
enum { CWIRE_HTTP1_LINE_SLACK = 256 };

typedef struct cwire_http1_cursor {
  const uint8_t *start; /* of the input */
  const uint8_t *at;
  const uint8_t *end;      /* of the input, or of the largest permitted head */
  const uint8_t *line_end; /* the same for the first line */
  bool at_limit;           /* nothing may come after `end` */
  bool line_bounded;       /* nor, of the first line, after `line_end` */
} cwire_http1_cursor;

/* All int functions here return 1 when done, 0 if more input is needed, or a cwire_http1_error. */

/* Positions a cursor at the start of the first line, skipping empty ones, and empties the head (but
 * for `headers`: `count` says what is in use). 0 too if the bytes since `already_seen` hold nothing
 * that could settle the parse, so that a head that arrives in crumbs is not parsed for each. */
int cwire_http1_begin(cwire_http1_cursor *cursor, cwire_http1_head *head,
                      const cwire_http1_limits *limits, cwire_span input, size_t already_seen);

/* Takes the first line, without its CRLF. */
int cwire_http1_first_line(cwire_http1_cursor *cursor, cwire_span *line);

/* Takes the field lines and the empty line after them into `known` and `headers`. `lenient`: space
 * before a colon is dropped. */
int cwire_http1_parse_fields(cwire_http1_cursor *cursor, cwire_http1_head *head,
                             uint32_t max_headers, bool lenient);

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
