#ifndef CREACTOR_CONNECTOR_ADDRESSES_H
#define CREACTOR_CONNECTOR_ADDRESSES_H

#include <netinet/in.h>
#include <stdbool.h>

#include "creactor/attempts.h"

typedef union cr_address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
} cr_address;

/* Those of one name, in the resolver's order. */
typedef struct cr_addresses {
  cr_address list[CR_ATTEMPT_ADDRESSES];
  unsigned count;
} cr_addresses;

/* A numeric address; false for a name. */
bool cr_address_parse(const char *text, cr_address *out);
void cr_address_set_port(cr_address *address, uint16_t port);

/* Which address of a host and port answered last, so that a dead one is not tried first each time.
   Of the many that a loop may talk to the 64 that were noted last are kept, each for 10 minutes
   (RFC 8305 section 4 wants an end): then the resolver's order counts again. */
typedef struct cr_answered cr_answered;

/* Its index among those, or -1. */
int cr_answered_find(const cr_answered *answered, const char *host, uint16_t port,
                     const cr_addresses *addresses, uint64_t now);
/* `*answered` is made when there is none. Without memory nothing is noted. */
void cr_answered_note(cr_answered **answered, const char *host, uint16_t port,
                      const cr_address *address, uint64_t now);
void cr_answered_free(cr_answered *answered);

#endif
