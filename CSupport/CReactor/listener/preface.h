#ifndef CREACTOR_LISTENER_PREFACE_H
#define CREACTOR_LISTENER_PREFACE_H

#include "connection/connection.h"

/* Puts a reader of the PROXY protocol's header in front of the transport `below` that an accepted
   connection is about to get. Nothing is told of the connection, and no TLS begun, before that has
   been read. */
void cr_preface_attach(cr_connection *connection, const cr_transport *below);

#endif
