#ifndef CWIRE_PROXY_PROTOCOL_H
#define CWIRE_PROXY_PROTOCOL_H

#include "cwire/span.h"

/* The PROXY protocol: what a proxy says, before the first byte of a connection, of whom the
 * connection is from. Version 1 is a line of text, version 2 binary; a receiver takes both, and
 * nothing without, since whoever it guessed for could say what they like. */

enum {
  CWIRE_PROXY_BAD = -1,       /* no header, or a malformed one */
  CWIRE_PROXY_TOO_LARGE = -2, /* a header of version 2 of more than CWIRE_PROXY_MAX bytes */
};

enum {
  CWIRE_PROXY_V1_MAX = 107, /* a line with its CRLF */
  CWIRE_PROXY_MAX = 4096,
};

typedef struct cwire_proxy {
  /* False if the header says of nobody: a proxy's own connection (LOCAL), a family that is not IP,
   * or UNKNOWN. The addresses of the connection are what they seem then. */
  bool known;
  uint8_t source[16]; /* as in cwire/address.h */
  uint16_t port;
} cwire_proxy;

/* Reads the header at the start of `input`. Returns the bytes that it takes up, 0 if its end is not
 * there yet, or one of the errors. How the input is cut does not change the result. Extensions
 * (type-length-values) are checked for their bounds and passed over. Any thread; no allocation. */
ptrdiff_t cwire_proxy_parse(cwire_proxy *out, cwire_span input);

#endif
