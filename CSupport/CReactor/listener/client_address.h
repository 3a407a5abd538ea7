#ifndef CREACTOR_LISTENER_CLIENT_ADDRESS_H
#define CREACTOR_LISTENER_CLIENT_ADDRESS_H

#include <cwire/http1.h>

#include "listener/listener.h"

/* Who a connection's client is, and how many connections each has. That is the peer, unless it is a
   proxy that the listener trusts: such a connection counts for nobody but whom the proxy names, by
   the PROXY protocol for all of it or by a field of each request. What is said of a connection
   here: `trusted`, its peer's word counts; `forwarded`, the client is another than the peer;
   `counted`, the client is one whose connections are, and this one was. */

bool cr_client_is_trusted(const cr_listener *listener, const uint8_t address[16]);
/* Counts the connection for its client unless that is a trusted proxy; false if that would be one
   too many, and nothing is counted. */
bool cr_client_count(cr_connection *connection);
void cr_client_uncount(cr_connection *connection);
/* The PROXY protocol says that the connection is another's. */
void cr_client_is(cr_connection *connection, const uint8_t address[16]);
/* A request came over a connection whose peer is trusted: from now on the connection counts for
   whom its head names. False if that client has too many. */
bool cr_client_asks_as_named(cr_connection *connection, const cwire_http1_head *head);
static inline bool cr_client_asks(cr_connection *connection, const cwire_http1_head *head) {
  const uint64_t names = (uint64_t)1 << CWIRE_FIELD_X_FORWARDED_FOR | (uint64_t)1
                                                                          << CWIRE_FIELD_FORWARDED;
  if (!(head->present & names) && !connection->forwarded) return true;
  return cr_client_asks_as_named(connection, head);
}
const uint8_t *cr_client_address(const cr_connection *connection);

#endif
