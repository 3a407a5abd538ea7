#ifndef CWIRE_JSON_H
#define CWIRE_JSON_H

#include "cwire/span.h"
#include "cwire/writer.h"

/* Raw-slice JSON: values stay the bytes they were, found by span, never turned into a tree. The
 * grammar is RFC 8259 to the letter, with valid UTF-8 inside strings, raw control characters
 * refused and a byte order mark refused; a lone surrogate written as an escape passes, since peers
 * send them and we hand them on as they came. Nothing here allocates, keeps state of its own or
 * holds on to a span after it returns. Any thread. */

/* Depth limit that callers use unless they are told another: `[[]]` is 2 deep. */
#define CWIRE_JSON_DEPTH 128u
/* The deepest limit that any function here accepts; a higher one is lowered to it. */
#define CWIRE_JSON_DEPTH_MAX 1024u

typedef enum cwire_json_status {
  CWIRE_JSON_OK = 0,
  CWIRE_JSON_END = 1,        /* the iterator has no further item */
  CWIRE_JSON_TRUNCATED = -1, /* right so far, but the text ends before the value does */
  CWIRE_JSON_SYNTAX = -2,
  CWIRE_JSON_CONTROL = -3, /* a raw control character within a string */
  CWIRE_JSON_UTF8 = -4,    /* bytes within a string that are not UTF-8 */
  CWIRE_JSON_ESCAPE = -5,  /* an escape that RFC 8259 section 7 does not have */
  CWIRE_JSON_NUMBER = -6,  /* a number that RFC 8259 section 6 does not have */
  CWIRE_JSON_TOO_DEEP = -7,
  CWIRE_JSON_TRAILING = -8, /* something other than whitespace after the value */
} cwire_json_status;

typedef enum cwire_json_kind {
  CWIRE_JSON_NONE = 0, /* an empty span, or bytes that begin no value */
  CWIRE_JSON_OBJECT,
  CWIRE_JSON_ARRAY,
  CWIRE_JSON_STRING,
  CWIRE_JSON_INTEGER, /* a number without fraction and exponent, of any length */
  CWIRE_JSON_NUMBER_TOKEN,
  CWIRE_JSON_TRUE,
  CWIRE_JSON_FALSE,
  CWIRE_JSON_NULL,
} cwire_json_kind;

/* One member of an object, or one element of an array (whose key is empty with base NULL). All
 * spans point into the text they were found in. An absent member has base NULL in every span. */
typedef struct cwire_json_member {
  cwire_span key;    /* without its quotes, raw: escapes still in it if key_escaped */
  cwire_span value;  /* the whole token, a string's quotes included, no whitespace around it */
  cwire_span extent; /* from the key's opening quote to the end of the value */
  bool key_escaped;
} cwire_json_member;

/* Where the value that begins at or after the start of `text` (whitespace may precede it) ends:
 * `*end` is the offset just past it. On an error `*end` is the offset of the fault. */
cwire_json_status cwire_json_value_end(cwire_span text, unsigned max_depth, size_t *end);

/* Whether `text` is one value with nothing but whitespace around it; `*fault` (may be NULL) is
 * where it is not. */
cwire_json_status cwire_json_validate(cwire_span text, unsigned max_depth, size_t *fault);

/* The kind of a value token (no whitespace before it), by its first byte and, for numbers, a look
 * at the rest. It does not validate. */
cwire_json_kind cwire_json_kind_of(cwire_span value);

/* The contents between the quotes of a string token, raw. False when `value` is no string token.
 * `*escaped` (may be NULL) says whether a backslash is in it. */
bool cwire_json_string(cwire_span value, cwire_span *contents, bool *escaped);

/* The value of an integer token. False when it is no integer, has a fraction or an exponent, or
 * does not fit. */
bool cwire_json_int64(cwire_span value, int64_t *number);

/* Steps over the members of an object or the elements of an array, validating each as it goes. */
typedef struct cwire_json_iterator {
  const uint8_t *base; /* of the container, for error offsets */
  const uint8_t *next;
  const uint8_t *end;
  unsigned max_depth;
  bool object;
  bool first;
} cwire_json_iterator;

/* Begins at `container`, an object or array token (whitespace may stand before it). `max_depth`
 * counts from the container itself. CWIRE_JSON_SYNTAX when it is neither. */
cwire_json_status cwire_json_iterate(cwire_json_iterator *iterator, cwire_span container,
                                     unsigned max_depth);

/* CWIRE_JSON_OK with the next item, CWIRE_JSON_END after the last one, else an error; after an
 * error or the end the iterator must not be used again. What follows the container is not looked
 * at. */
cwire_json_status cwire_json_next(cwire_json_iterator *iterator, cwire_json_member *item);

/* The first member of `object` whose key is `name` after unescaping; false when there is none or
 * the object is bad. */
bool cwire_json_find(cwire_span object, const char *name, cwire_json_member *member);

/* Whether the raw key (no quotes) is `name` once unescaped. `escaped` false promises that no
 * backslash is in it. */
bool cwire_json_key_equal(cwire_span key, bool escaped, cwire_span name);

/* Writes the UTF-8 of raw string contents (no quotes) to `out`, of which the size is `capacity`.
 * Returns its length, or SIZE_MAX when it does not fit or an escape is malformed. A lone surrogate
 * becomes U+FFFD; a pair becomes its code point. The result is never longer than the contents. */
size_t cwire_json_unescape(cwire_span contents, uint8_t *out, size_t capacity);

#endif
