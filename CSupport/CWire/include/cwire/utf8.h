#ifndef CWIRE_UTF8_H
#define CWIRE_UTF8_H

#include "cwire/span.h"

/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Any thread.
 */

/* How far into a sequence the bytes so far end. All zero between characters. */
typedef struct cwire_utf8_state {
  uint8_t remaining; /* continuation bytes still to come */
  uint8_t low;       /* the bounds of the next one */
  uint8_t high;
} cwire_utf8_state;

/* Whether the whole span is UTF-8. */
bool cwire_utf8_valid(cwire_span text);

/* Feeds a further piece of a text; false once it can't be UTF-8 any more. The text may end where
 * the state is at rest. */
bool cwire_utf8_feed(cwire_utf8_state *state, cwire_span piece);

static inline bool cwire_utf8_at_rest(const cwire_utf8_state *state) {
  return state->remaining == 0;
}

#endif
