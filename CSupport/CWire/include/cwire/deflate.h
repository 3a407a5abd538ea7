#ifndef CWIRE_DEFLATE_H
#define CWIRE_DEFLATE_H

#include "cwire/span.h"

/* Raw deflate of whole messages without context take-over (RFC 7692 section 7.2), through state
 * that all connections of a loop share. One thread at a time. Allocates: the state when it is first
 * needed, and nothing per message. */
typedef struct cwire_deflate cwire_deflate;

#define CWIRE_DEFLATE_MIN_BITS 9 /* zlib makes no raw deflate of 8 */
#define CWIRE_DEFLATE_MAX_BITS 15
#define CWIRE_DEFLATE_MIN_ROOM 16u /* bytes of a buffer to write to */

/* NULL without memory. */
cwire_deflate *cwire_deflate_make(void);
void cwire_deflate_free(cwire_deflate *codec);

typedef enum cwire_deflate_status {
  CWIRE_DEFLATE_OK = 0,
  CWIRE_DEFLATE_FULL = 1,     /* `out` is used up: take what is in it and go on */
  CWIRE_DEFLATE_INVALID = -1, /* the input is no deflated message */
  CWIRE_DEFLATE_TOO_BIG = -2, /* more than `limit` bytes come of it */
  CWIRE_DEFLATE_MEMORY = -3,
} cwire_deflate_status;

/* Begins a message to inflate of which at most `limit` bytes may come; the one before it need not
 * have been ended. */
cwire_deflate_status cwire_inflate_begin(cwire_deflate *codec, uint64_t limit);
/* Inflates a piece of it; at the last one the four bytes that senders leave off are added here.
 * `*input` shrinks by what was used, `*out` bytes were written. FULL: call again with the rest. OK:
 * the piece is used up and, if it was the last, the message was whole. What comes of a piece that
 * turns out INVALID or TOO_BIG counts for nothing. */
cwire_deflate_status cwire_inflate_next(cwire_deflate *codec, cwire_span *input, bool last,
                                        uint8_t *buffer, size_t capacity, size_t *out);

/* Begins a message to deflate with windows of 2^bits bytes, 9 to 15; others are INVALID. */
cwire_deflate_status cwire_deflate_begin(cwire_deflate *codec, unsigned bits);
/* Deflates a piece; at the last one it is flushed and the trailing 00 00 FF FF left off. FULL: call
 * again with the rest. `capacity` is at least CWIRE_DEFLATE_MIN_ROOM. */
cwire_deflate_status cwire_deflate_next(cwire_deflate *codec, cwire_span *input, bool last,
                                        uint8_t *buffer, size_t capacity, size_t *out);

#endif
