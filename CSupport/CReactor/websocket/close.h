#ifndef CREACTOR_WEBSOCKET_CLOSE_H
#define CREACTOR_WEBSOCKET_CLOSE_H

#include "websocket/websocket.h"

/* The closing handshake (RFC 6455 section 7). */

/* Sends a close frame, unless one was sent, and awaits the peer's. */
void cr_websocket_end(cr_connection *connection, unsigned code, cwire_span reason);
/* The same because of what the peer did; what still comes of it is thrown away. */
void cr_websocket_fail(cr_connection *connection, unsigned code);
/* The peer's close frame: the side that is the server ends TCP first (RFC 6455 section 7.1.1). */
void cr_websocket_close_seen(cr_connection *connection, unsigned code);
/* Sets the time for the peer's close frame. One that is still reading what comes before ours can't
   have answered it: until nothing waits any more, `cr_close_stalled` judges its reading as that of
   any other. */
void cr_websocket_await_end(cr_connection *connection);

#endif
