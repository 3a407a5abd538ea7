#ifndef CWIRE_HASH_H
#define CWIRE_HASH_H

#include "cwire/span.h"

/* SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for what strangers choose, and a MAC.
 * Any thread. */
uint64_t cwire_siphash64(const uint8_t key[16], cwire_span text);
void cwire_siphash128(const uint8_t key[16], cwire_span text, uint8_t out[16]);

/* A fast hash for bounded tables whose keys the operator or an upstream chooses; not for keys of
 * strangers, and not a format to store. */
uint64_t cwire_hash64(cwire_span text);

/* Whether two spans are equal, in a time that depends on their lengths alone: for comparing MACs
 * and tokens. */
bool cwire_equal_constant_time(cwire_span a, cwire_span b);

#endif
