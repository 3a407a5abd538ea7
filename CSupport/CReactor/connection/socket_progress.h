#ifndef CREACTOR_CONNECTION_SOCKET_PROGRESS_H
#define CREACTOR_CONNECTION_SOCKET_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of a TCP connection that the peer's kernel has acknowledged since it was made. False if the
   kernel does not say. */
bool cr_socket_acknowledged(int descriptor, uint64_t *bytes);

#endif
