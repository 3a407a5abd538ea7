#ifndef CREACTOR_CONNECTION_TRANSPORT_PLAIN_H
#define CREACTOR_CONNECTION_TRANSPORT_PLAIN_H

#include "connection/connection.h"

/* Bytes over a TCP socket. */
extern const cr_transport cr_transport_plain;

/* A connected descriptor, which is taken over even on failure. Reading starts. */
int cr_plain_open(cr_connection *connection, int descriptor);

/* Embedded in whoever makes a connection. */
typedef struct cr_plain_maker {
  /* The connection is being closed before it was made. */
  void (*abandon)(struct cr_plain_maker *maker);
} cr_plain_maker;

/* The same in two steps, for a connection that is still being made: until it is connected `maker`
   (NULL: nobody) hears of its end. */
void cr_plain_prepare(cr_connection *connection, cr_plain_maker *maker);
int cr_plain_connected(cr_connection *connection, int descriptor);
/* The maker gives the connection up, or is done with it. */
static inline void cr_plain_forget(cr_connection *connection) {
  connection->handle.data = NULL;
}

#endif
