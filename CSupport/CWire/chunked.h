#ifndef CWIRE_CHUNKED_H
#define CWIRE_CHUNKED_H

/* Private to CWire: the chunked transfer coding (RFC 9112 section 7.1) of a body decoder. */

#include "cwire/http1_body.h"

/* Starts on the first size line. */
void cwire_chunked_start(cwire_http1_body *body);

/* cwire_http1_body_next for a chunked body. */
int cwire_chunked_next(cwire_http1_body *body, cwire_span *input, cwire_span *piece);

/* Whether the last chunk and its trailers have been read. */
bool cwire_chunked_is_done(const cwire_http1_body *body);

#endif
