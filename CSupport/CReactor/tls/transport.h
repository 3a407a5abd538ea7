#ifndef CREACTOR_TLS_TRANSPORT_H
#define CREACTOR_TLS_TRANSPORT_H

#include "connection/connection.h"
#include "creactor/tls.h"

/* Puts TLS between a connection and the transport `below` that it has or is about to get, before
 * anything is told of that one. The protocol's `connected` then follows the handshake. `host` is
 * the name to ask for and to find in the certificate, `place` where it is connected to: the host
 * too, or its address. False without memory. */
bool cr_tls_attach_client(cr_connection *connection, const cr_transport *below,
                          cr_tls_context *context, const char *host, const char *place,
                          uint16_t port);
/* The same for a connection that was accepted; OpenSSL's part is not made before it has sent the
 * first byte. */
bool cr_tls_attach_server(cr_connection *connection, const cr_transport *below,
                          cr_tls_context *context);

/* Frees what a connection has of TLS, if it has; for the protocol's `closed`. */
void cr_tls_detach(cr_connection *connection);

#endif
