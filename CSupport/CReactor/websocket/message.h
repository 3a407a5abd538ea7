#ifndef CREACTOR_WEBSOCKET_MESSAGE_H
#define CREACTOR_WEBSOCKET_MESSAGE_H

#include "websocket/websocket.h"

/* Hands a whole message to policy, inflated first if it is `compressed`. */
void cr_websocket_deliver(cr_connection *connection, cwire_span message, bool binary,
                          bool compressed);

#endif
