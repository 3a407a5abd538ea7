#include "cwire/utf8.h"

#include "utf8_sequence.h"

bool cwire_utf8_valid(cwire_span text) {
  cwire_utf8_state state = {0};
  return cwire_utf8_feed(&state, text) && cwire_utf8_at_rest(&state);
}

bool cwire_utf8_feed(cwire_utf8_state *state, cwire_span piece) {
  const uint8_t *next = piece.base;
  const uint8_t *end = piece.base + piece.length;
  if (piece.length == 0) return true;
  for (;;) {
    while (state->remaining > 0) {
      if (next == end) return true;
      if (!cwire_utf8_step(state, *next)) return false;
      next++;
    }
    next = cwire_ascii_run(next, end);
    if (next == end) return true;
    size_t length = cwire_utf8_sequence(next, end);
    if (length > 0) {
      next += length;
    } else {
      if (!cwire_utf8_step(state, *next)) return false;
      next++;
    }
  }
}
