#ifndef CWIRE_HTTP1_BODY_H
#define CWIRE_HTTP1_BODY_H

#include "cwire/http1.h"
#include "cwire/status.h"

/* The position within the body of one message. Small enough to live in a connection; all fields are
 * private to the decoder. */
typedef struct cwire_http1_body {
  uint64_t remaining; /* of the declared length, or of the current chunk */
  uint64_t allowance; /* decoded bytes that may still come */
  uint32_t overhead;  /* chunk framing in excess of data; later, bytes of trailers */
  uint16_t line;      /* bytes of the current size or trailer line */
  uint8_t framing;
  uint8_t state;
} cwire_http1_body;

_Static_assert(sizeof(cwire_http1_body) <= 24, "a body decoder lives in every busy connection");

/* Starts on the body of the message with that head. CWIRE_OK: there is none, the message is
 * complete already; CWIRE_MORE: feed what follows the head to cwire_http1_body_next;
 * CWIRE_HTTP1_BODY_TOO_LARGE: its declared length exceeds `max_body`. */
int cwire_http1_body_start(cwire_http1_body *body, const cwire_http1_head *head, uint64_t max_body);

/* Decodes from the front of `input` and moves it forward. `piece` becomes the next decoded bytes, a
 * range of the input, or empty. CWIRE_OK: the body is complete and `input` begins after it;
 * CWIRE_MORE: it is not; call again while `input` has bytes, and with new ones later; or a
 * cwire_http1_error. With CWIRE_OK too the piece may hold bytes. A call with input consumes some of
 * it, so this loop ends:
 *
 *   do {
 *     status = cwire_http1_body_next(&body, &input, &piece);
 *     if (piece.length > 0) use(piece);
 *   } while (status == CWIRE_MORE && input.length > 0);
 *
 * Chunked (RFC 9112 section 7.1): extensions are bounded and ignored; trailers are checked, bounded
 * and dropped, and so are pieces of framing that outweigh the data. */
int cwire_http1_body_next(cwire_http1_body *body, cwire_span *input, cwire_span *piece);

/* The connection has ended: CWIRE_OK if that ends this body, else CWIRE_HTTP1_TRUNCATED. */
int cwire_http1_body_end(const cwire_http1_body *body);

#endif
