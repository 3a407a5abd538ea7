#ifndef CREACTOR_CONNECTOR_CONNECTOR_H
#define CREACTOR_CONNECTOR_CONNECTOR_H

#include "connection/connection.h"

/* Makes a connection from a name: looks it up, tries its addresses as `cr_attempts` says, each on a
   socket of its own, and gives the first that connects to the plain transport. No time limit of its
   own: whoever closes the connection ends all of it. */

/* `connection` has been taken, and has no transport yet or TLS, over the plain one. Ends in
   `transport->connected`, or in `cr_connection_close` with why the name was not found. Both may
   come from within, so this is for `protocol->run`. */
void cr_connector_start(cr_connection *connection, const char *host, uint16_t port);

#endif
