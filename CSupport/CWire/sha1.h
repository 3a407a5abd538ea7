#ifndef CWIRE_SHA1_H
#define CWIRE_SHA1_H

#include "cwire/span.h"

/* SHA-1 (FIPS 180-4), which RFC 6455 uses to show that an answer is a WebSocket server's. It
 * protects nothing, and nothing else here may use it. */
void cwire_sha1(cwire_span text, uint8_t digest[20]);

#endif
