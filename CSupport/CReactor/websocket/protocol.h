#ifndef CREACTOR_WEBSOCKET_PROTOCOL_H
#define CREACTOR_WEBSOCKET_PROTOCOL_H

#include "websocket/websocket.h"

/* Makes an HTTP connection, whose protocol has let go of all it had, an open WebSocket. `state`:
   WS_CLIENT or 0. */
void cr_websocket_begin(cr_connection *connection, const cr_websocket_settings *settings,
                        uint32_t state, const cwire_ws_deflate *agreed);

#endif
