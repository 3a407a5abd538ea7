#ifndef CWIRE_HTTP1_WRITER_H
#define CWIRE_HTTP1_WRITER_H

#include "cwire/http1_field.h"
#include "cwire/writer.h"

/* Heads are always written afresh from these puts, never copied through, so that nothing a peer
 * sent can become framing. A name that is no token, or a value with a control character other than
 * a tab, sets the writer's `invalid` flag. Date and framing fields are the caller's to add. */

/* The bytes that cwire_http1_put_date writes. */
#define CWIRE_HTTP1_DATE_LENGTH 29

/* The reason phrase of a status code (RFC 9110 section 15 and the IANA registry); "" if it has
 * none. */
const char *cwire_http1_status_reason(int status);

/* "HTTP/1.1 200 OK" CRLF; invalid if the status is not of three digits. */
void cwire_http1_put_status_line(cwire_writer *writer, int status);

/* "POST /mcp HTTP/1.1" CRLF; both must be free of spaces and control characters. */
void cwire_http1_put_request_line(cwire_writer *writer, cwire_span method, cwire_span target);

/* "name: value" CRLF. */
void cwire_http1_put_header(cwire_writer *writer, cwire_span name, cwire_span value);

/* The same by index, with the name's usual spelling. */
void cwire_http1_put_field(cwire_writer *writer, cwire_http1_field field, cwire_span value);

/* "Content-Length: 12" CRLF. */
void cwire_http1_put_content_length(cwire_writer *writer, uint64_t length);

/* "Transfer-Encoding: chunked" CRLF. */
void cwire_http1_put_chunked(cwire_writer *writer);

/* The empty line after the fields. */
void cwire_http1_put_head_end(cwire_writer *writer);

/* The size line of a chunk of `size` bytes, which must not be 0; its data and a CRLF follow. */
void cwire_http1_put_chunk_head(cwire_writer *writer, uint64_t size);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (IMF-fixdate, RFC 9110 section 5.6.7), without field name or line
 * end. Invalid outside the years 1970 to 9999. No locale, no time zone, no libc clock. */
void cwire_http1_put_date(cwire_writer *writer, int64_t unix_seconds);

#endif
