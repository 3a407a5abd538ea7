#ifndef CWIRE_ADDRESS_H
#define CWIRE_ADDRESS_H

#include "cwire/span.h"

/* IP addresses as 16 bytes: IPv6, or IPv4 in its mapped form (::ffff:192.0.2.1), so that the two
 * spellings of an IPv4 address are the same. */

/* Reads an address as it is written, "192.0.2.1" or "2001:db8::1": no port, no brackets, no zone,
 * no other notation of IPv4. False, and nothing written, if it is none. */
bool cwire_address_parse(cwire_span text, uint8_t out[16]);

/* All addresses that agree in the first `bits` bits; those of an IPv4 network are 96 and more. */
typedef struct cwire_network {
  uint8_t address[16];
  uint8_t bits;
} cwire_network;

bool cwire_network_has(const cwire_network *network, const uint8_t address[16]);

#endif
