#ifndef CREACTOR_WEBSOCKET_INCOMING_H
#define CREACTOR_WEBSOCKET_INCOMING_H

#include "websocket/websocket.h"

/* What a connection has while a message is incomplete, made if need be; NULL without memory. */
cr_websocket *cr_websocket_engage(cr_connection *connection);
/* Gives back what came of the message: the rest of it is only read over. */
void cr_websocket_drop_message(cr_connection *connection);
/* The connection is at rest. */
void cr_websocket_rest(cr_connection *connection);
static inline void cr_websocket_disengage(cr_connection *connection) {
  if (connection->websocket_state & WS_ENGAGED) cr_websocket_rest(connection);
}
/* Frees those that the loop keeps for the next use. */
void cr_websockets_clear(cr_loop *loop);

#endif
