#ifndef CREACTOR_PRIVATE_TRANSPORT_TLS_H
#define CREACTOR_PRIVATE_TRANSPORT_TLS_H

#include "connection.h"
#include "creactor/tls.h"

/* Puts TLS between a connection and the transport `below` that it is about to get: call it before
 * `cr_plain_connect`. The protocol's `connected` then follows the handshake. `host` is the name to
 * ask for and to find in the certificate. False without memory. */
bool cr_tls_attach_client(cr_connection *connection, const cr_transport *below,
                          cr_tls_context *context, const char *host);

/* Frees what a connection has of TLS, if it has; for the protocol's `closed`. */
void cr_tls_detach(cr_connection *connection);

#endif
