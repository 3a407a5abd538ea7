#ifndef CREACTOR_LISTENER_PREFACE_H
#define CREACTOR_LISTENER_PREFACE_H

#include "connection/connection.h"

/* Puts what the listener has between the connection and its transport: the PROXY protocol, then
   TLS, and begins to wait for them: nothing is told of the connection, and no TLS begun, before the
   header has been read. False without memory. */
bool cr_listener_secure(cr_connection *connection, const cr_transport *below);

#endif
