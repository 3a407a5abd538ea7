#ifndef CWIRE_JSON_READER_H
#define CWIRE_JSON_READER_H

#include "cwire/json.h"
#include "utf8_sequence.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The grammar of RFC 8259 over bytes that are all there. Every function takes the place to read
 * from and returns the place after what it read, or NULL with `status` and `fault` set. */
typedef struct cwire_json_reader {
  const uint8_t *end;
  const uint8_t *fault;
  cwire_json_status status;
} cwire_json_reader;

/* A value whose first byte is at `next`. `max_depth` counts the value itself. */
const uint8_t *cwire_json_read_value(cwire_json_reader *reader, const uint8_t *next,
                                     unsigned max_depth);

/* A number or a literal: what is neither a string nor a container. */
const uint8_t *cwire_json_read_plain(cwire_json_reader *reader, const uint8_t *next);

/* cwire_json_read_string for all strings; that one takes most of them in line. */
const uint8_t *cwire_json_read_long_string(cwire_json_reader *reader, const uint8_t *next,
                                           bool *escaped);

static inline const uint8_t *cwire_json_fail(cwire_json_reader *reader, cwire_json_status status,
                                             const uint8_t *fault) {
  reader->status = status;
  reader->fault = fault;
  return NULL;
}

/* For a byte that is none of those allowed: the text may also have ended there. */
static inline const uint8_t *cwire_json_unexpected(cwire_json_reader *reader,
                                                   const uint8_t *fault) {
  return cwire_json_fail(reader, fault == reader->end ? CWIRE_JSON_TRUNCATED : CWIRE_JSON_SYNTAX,
                         fault);
}

static inline bool cwire_json_is_space(uint8_t byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static inline const uint8_t *cwire_json_skip_space(const uint8_t *next, const uint8_t *end) {
  while (next < end && *next <= ' ' && cwire_json_is_space(*next))
    next++;
  return next;
}

/* The byte at `next`, or 0 at the end: no rule allows a 0. */
static inline uint8_t cwire_json_peek(const cwire_json_reader *reader, const uint8_t *next) {
  return next < reader->end ? *next : 0;
}

/* The same for the first byte from `*next` on that is no whitespace; `*next` moves there. */
static inline uint8_t cwire_json_seek(const cwire_json_reader *reader, const uint8_t **next) {
  uint8_t byte = cwire_json_peek(reader, *next);
  if (byte > ' ') return byte;
  *next = cwire_json_skip_space(*next, reader->end);
  return cwire_json_peek(reader, *next);
}

#if defined(__SSE2__)
/* One bit for each of 16 bytes that a string can't simply pass over. */
static inline unsigned cwire_json_stops(const uint8_t *next) {
  __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)next);
  __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  /* As signed numbers non-ASCII bytes are negative, so below a space like control characters. */
  __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
  return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), low));
}
#endif

/* The first byte from `next` on that a string can't simply pass over (a quote, a backslash, a
 * control character, a non-ASCII byte), or `end`. */
static inline const uint8_t *cwire_json_plain_run(const uint8_t *next, const uint8_t *end) {
#if defined(__SSE2__)
  while (end - next >= 16) {
    unsigned mask = cwire_json_stops(next);
    if (mask != 0) return next + __builtin_ctz(mask);
    next += 16;
  }
#else
  const uint64_t ones = 0x0101010101010101u;
  const uint64_t tops = 0x8080808080808080u;
  while (end - next >= 8) {
    uint64_t word;
    memcpy(&word, next, sizeof word);
    uint64_t quote = word ^ (ones * '"');
    uint64_t backslash = word ^ (ones * '\\');
    /* In each term the lowest byte that matches has its top bit set; above it there may be false
     * alarms, so the word only says whether to look closer. */
    uint64_t stop = (quote - ones) | (backslash - ones) | (word - ones * 0x20) | word;
    if ((stop & tops) != 0) break;
    next += 8;
  }
#endif
  while (next < end && *next >= 0x20 && *next < 0x80 && *next != '"' && *next != '\\')
    next++;
  return next;
}

/* The rest of a string whose opening quote was just before `next`. `*escaped` becomes true when it
 * has a backslash and is left alone otherwise. Most strings are keys and other short texts with
 * nothing special in them: these need no call. */
static inline const uint8_t *cwire_json_read_string(cwire_json_reader *reader, const uint8_t *next,
                                                    bool *escaped) {
#if defined(__SSE2__)
  if (reader->end - next >= 16) {
    unsigned mask = cwire_json_stops(next);
    next += mask != 0 ? __builtin_ctz(mask) : 16;
    if (mask != 0 && *next == '"') return next + 1;
  }
#endif
  return cwire_json_read_long_string(reader, next, escaped);
}

#endif
