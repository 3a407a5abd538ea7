#ifndef CWIRE_JSON_LEXER_H
#define CWIRE_JSON_LEXER_H

#include "cwire/json.h"
#include "cwire/utf8.h"

/* The resumable form of the JSON grammar: one value that arrives in pieces, as tokens with the
 * bytes they cover. Accepts exactly what cwire_json_validate accepts. It owns nothing and may be
 * copied to go back. One thread at a time. */

typedef enum cwire_json_event {
  CWIRE_JSON_EVENT_MORE = 1, /* the input is used up */
  CWIRE_JSON_EVENT_SPACE,    /* whitespace between tokens */
  CWIRE_JSON_EVENT_OPEN,     /* a brace or bracket; `depth` counts it now */
  CWIRE_JSON_EVENT_CLOSE,    /* the same; `depth` no longer counts it */
  CWIRE_JSON_EVENT_COMMA,
  CWIRE_JSON_EVENT_COLON,
  CWIRE_JSON_EVENT_KEY,    /* a piece of a key, its quotes included */
  CWIRE_JSON_EVENT_SCALAR, /* a piece of a string, number or literal */
  CWIRE_JSON_EVENT_NESTED, /* a piece of what is deeper than `watch`: many tokens at once */
  CWIRE_JSON_EVENT_END,    /* the value is complete; nothing was taken */
} cwire_json_event;

typedef struct cwire_json_lexer {
  uint8_t state;
  uint8_t part; /* within a number, a literal or an escape: which part of it */
  uint8_t literal;
  bool key;       /* the string being read is a key */
  bool token_end; /* KEY, SCALAR: the piece is the last of its token */
  cwire_utf8_state utf8;
  unsigned depth;
  unsigned max_depth;
  unsigned watch; /* containers that would be deeper are NESTED, their brackets included. The caller
                     may change it between calls; what lies at a depth above it becomes NESTED. */
  uint32_t objects[CWIRE_JSON_DEPTH_MAX / 32]; /* bit per level: an object rather than an array */
} cwire_json_lexer;

void cwire_json_lexer_init(cwire_json_lexer *lexer, unsigned max_depth, unsigned watch);

/* Takes the next piece off the front of `*input`; `*piece` is its bytes. Returns a cwire_json_event
 * or a negative cwire_json_status. Only the byte after a number shows that it has ended: then the
 * last piece is empty, and a number that is the whole value needs some byte after it. */
int cwire_json_lexer_next(cwire_json_lexer *lexer, cwire_span *input, cwire_span *piece);

#endif
