#ifndef CWIRE_SSE_H
#define CWIRE_SSE_H

#include "cwire/span.h"
#include "cwire/writer.h"

/* Server-sent events, WHATWG HTML section 9.2. The parser hands the data through as spans of the
 * input and keeps only the short fields; it owns nothing and allocates nothing. One thread at a
 * time. */

#define CWIRE_SSE_ID_MAX 256u
#define CWIRE_SSE_TYPE_MAX 32u

typedef enum cwire_sse_step {
  CWIRE_SSE_MORE = 1, /* the input is used up */
  CWIRE_SSE_DATA,     /* a piece of the event's data: event.data, event.newline */
  CWIRE_SSE_END,      /* the event is complete: all other fields */
  CWIRE_SSE_COMMENT,  /* a comment line ended; a sign of life, nothing else */
} cwire_sse_step;

/* Spans of type and id point into the parser and hold until its next call; those of data into the
 * input. */
typedef struct cwire_sse_event {
  cwire_span data; /* DATA: bytes of one data line, not necessarily all of it */
  bool newline;    /* DATA: a line feed stands before these bytes */

  /* END, all of these: */
  cwire_span type;    /* empty when there was none, which means "message" */
  cwire_span id;      /* the last event id in force, be it from this event or an earlier one */
  bool id_set;        /* this event has an id field */
  bool too_long;      /* its id or type did not fit; the span holds the beginning */
  bool has_data;      /* it has a data line; without one browsers dispatch nothing */
  bool data_is_empty; /* all the data together is the empty text (a priming event, when id_set) */
  int64_t retry;      /* milliseconds, or -1 */
} cwire_sse_event;

typedef struct cwire_sse_parser {
  uint8_t state;
  uint8_t field;       /* which field the line being read belongs to */
  uint8_t name_length; /* of the field name so far; more than the buffer means unknown */
  uint8_t name[5];
  uint8_t bom; /* bytes of a byte order mark seen; 3 once that is settled */
  bool skip_lf;
  bool ended; /* an event was reported; the next call begins a new one */
  bool any_field;
  bool has_data;
  bool has_bytes;
  bool newline_due;
  bool id_set;
  bool id_too_long;
  bool type_too_long;
  bool value_invalid; /* of the id or retry line being read */
  bool value_too_long;
  uint8_t type_length;
  uint16_t id_length;
  uint16_t value_length;
  int64_t retry;
  int64_t value_number;
  uint8_t type[CWIRE_SSE_TYPE_MAX];
  uint8_t id[CWIRE_SSE_ID_MAX];
  uint8_t value[CWIRE_SSE_ID_MAX]; /* of the id line being read */
} cwire_sse_parser;

void cwire_sse_init(cwire_sse_parser *parser);

/* Takes from the front of `*input` up to the next thing to report. An event that the end of the
 * stream cuts short is never reported: there is nothing to call at the end. The parser never fails.
 */
cwire_sse_step cwire_sse_next(cwire_sse_parser *parser, cwire_span *input, cwire_sse_event *event);

/* The fields of an event to write; a base of NULL leaves the field out. `retry` -1 leaves it out.
 */
typedef struct cwire_sse_fields {
  cwire_span id;
  cwire_span type;
  int64_t retry;
} cwire_sse_fields;

/* One whole event. A CR, LF or CRLF in `data` begins a further data line (a reader sees a line
 * feed). `data` with base NULL writes no data line; empty data writes an empty one. An id or type
 * with CR, LF or NUL in it makes the writer `invalid`. */
void cwire_sse_put_event(cwire_writer *writer, const cwire_sse_fields *fields, cwire_span data);

/* The exact length that cwire_sse_put_event writes. */
size_t cwire_sse_event_length(const cwire_sse_fields *fields, cwire_span data);

/* The parts of an event whose data is streamed on one line: the fields and `data: `, then, after
 * the caller's bytes (without CR and LF), the end of the event. */
void cwire_sse_put_open(cwire_writer *writer, const cwire_sse_fields *fields);
void cwire_sse_put_close(cwire_writer *writer);

/* A comment, `: ` + text, that keeps an idle stream alive; the empty line after it flushes parsers
 * that wait for one. A CR, LF or NUL in `text` makes the writer `invalid`. */
void cwire_sse_put_comment(cwire_writer *writer, cwire_span text);

#endif
