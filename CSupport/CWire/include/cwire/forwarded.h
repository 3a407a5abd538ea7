#ifndef CWIRE_FORWARDED_H
#define CWIRE_FORWARDED_H

#include "cwire/http1.h"

/* What proxies say of whom a request came from. Each appends the address that it was asked from, so
 * that the last one is the word of the proxy next to us, and what stands before what an untrusted
 * one said is anybody's. */

/* Hops that are looked at. */
enum { CWIRE_FORWARDED_MOST = 32 };

/* The hops of a request, the last one first: the elements of X-Forwarded-For, or where that field
 * is missing the `for` of each element of Forwarded (RFC 7239 section 4). Nearly every proxy writes
 * the former; one that writes the latter must not let the former through. An element that does not
 * say for whom is an empty span. Returns how many there are, at most CWIRE_FORWARDED_MOST; 0 for a
 * Forwarded that is malformed. */
size_t cwire_forwarded_hops(const cwire_http1_head *head, cwire_span hops[CWIRE_FORWARDED_MOST]);

/* The address of a hop: alone, with a port behind it, IPv6 with or without brackets. False for
 * "unknown", for names that hide the address, and for what is neither. */
bool cwire_forwarded_address(cwire_span hop, uint8_t out[16]);

#endif
