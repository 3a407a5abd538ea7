#ifndef FUZZ_HTTP1_H
#define FUZZ_HTTP1_H

/* What the targets of the HTTP/1.1 codec share. */

#include "CWire.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool condition) {
  if (!condition) __builtin_trap();
}

/* A copy of exactly these bytes on the heap, so that a read beyond them is caught. */
static inline cwire_span copy(cwire_span bytes) {
  uint8_t *base = malloc(bytes.length > 0 ? bytes.length : 1);
  if (bytes.length > 0) memcpy(base, bytes.base, bytes.length);
  return cwire_span_make(base, bytes.length);
}

/* Points to cut at that depend on the input alone. */
static inline uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static inline bool same_fields(const cwire_http1_head *a, const cwire_http1_head *b) {
  if (a->count != b->count || a->present != b->present || a->repeated != b->repeated) return false;
  for (int i = 0; i < CWIRE_FIELD_COUNT; i++) {
    if (!cwire_span_equal(a->known[i], b->known[i])) return false;
  }
  for (uint32_t i = 0; i < a->count; i++) {
    if (a->headers[i].field != b->headers[i].field) return false;
    if (!cwire_span_equal(a->headers[i].name, b->headers[i].name)) return false;
    if (!cwire_span_equal(a->headers[i].value, b->headers[i].value)) return false;
  }
  return true;
}

static inline bool same_head(const cwire_http1_head *a, const cwire_http1_head *b) {
  return same_fields(a, b) && a->method == b->method && a->minor == b->minor &&
         a->status == b->status && cwire_span_equal(a->target, b->target) &&
         cwire_span_equal(a->path, b->path) && cwire_span_equal(a->query, b->query) &&
         cwire_span_equal(a->reason, b->reason) && a->content_length == b->content_length &&
         a->framing == b->framing && a->keep_alive == b->keep_alive &&
         a->expect_continue == b->expect_continue && a->upgrade == b->upgrade;
}

/* Writes the fields of a head and its empty line. */
static inline void put_fields(cwire_writer *writer, const cwire_http1_head *head) {
  for (int i = 0; i < CWIRE_FIELD_COUNT; i++) {
    if (head->known[i].base != NULL) cwire_http1_put_field(writer, i, head->known[i]);
  }
  for (uint32_t i = 0; i < head->count; i++) {
    cwire_http1_put_header(writer, head->headers[i].name, head->headers[i].value);
  }
  cwire_http1_put_head_end(writer);
}

/* A parse of a whole head. */
typedef ptrdiff_t (*parse_head)(cwire_http1_head *head, const cwire_http1_limits *limits,
                                cwire_span input, size_t already_seen);

/* The head must come out the same, or with the same error, if its bytes arrive one by one or cut at
 * random. `whole` is the result of parsing all of `input` at once into `head`. */
static inline void check_cuts(parse_head parse, const cwire_http1_head *head,
                              const cwire_http1_limits *limits, cwire_span input, ptrdiff_t whole) {
  static cwire_http1_head cut;
  uint32_t random = (uint32_t)input.length;
  for (int round = 0; round < 3; round++) {
    ptrdiff_t result = 0;
    size_t seen = 0;
    while (result == 0 && seen < input.length) {
      size_t step = round == 0 ? 1 : 1 + next_random(&random) % 64;
      size_t length = input.length - seen < step ? input.length : seen + step;
      cwire_span prefix =
          round == 2 ? copy(cwire_span_take(input, length)) : cwire_span_take(input, length);
      result = parse(&cut, limits, prefix, seen);
      if (result > 0) {
        require((size_t)result <= length && (size_t)result > seen);
        require(same_head(head, &cut));
      }
      if (round == 2) free((void *)prefix.base);
      seen = length;
    }
    require(result == whole);
  }
}

#endif
