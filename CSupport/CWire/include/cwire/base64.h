#ifndef CWIRE_BASE64_H
#define CWIRE_BASE64_H

#include "cwire/span.h"
#include "cwire/writer.h"

/* Base64 of RFC 4648, strict: only the alphabet, zero padding bits, no line breaks. Any thread. */

typedef enum cwire_base64_alphabet {
  CWIRE_BASE64_STANDARD = 0, /* section 4: + and /, padded with = */
  CWIRE_BASE64_URL,          /* section 5: - and _, never padded */
} cwire_base64_alphabet;

/* The exact length of `length` bytes once encoded. */
size_t cwire_base64_encoded_length(size_t length, cwire_base64_alphabet alphabet);

void cwire_base64_put(cwire_writer *writer, cwire_span bytes, cwire_base64_alphabet alphabet);

/* Decodes into `out` and returns the length, or SIZE_MAX when the text is malformed, its padding is
 * wrong, or the bytes do not fit. `out` may be `text.base` itself. */
size_t cwire_base64_decode(cwire_span text, cwire_base64_alphabet alphabet, uint8_t *out,
                           size_t capacity);

/* The value of an `Mcp-Name` or `Mcp-Param-*` header (MCP 2026-07-28, streamable HTTP): blanks
 * around it are dropped,
 * `=?base64?…?=` is decoded and must be UTF-8, anything else stands for itself. Returns the length
 * in `out`, or SIZE_MAX when it is malformed or does not fit. */
size_t cwire_mcp_header_decode(cwire_span value, uint8_t *out, size_t capacity);

/* The exact length of, and the header value for, the UTF-8 `text`: plain where that is safe,
 * wrapped otherwise. */
size_t cwire_mcp_header_encoded_length(cwire_span text);
void cwire_mcp_header_put(cwire_writer *writer, cwire_span text);

#endif
