#ifndef CREACTOR_WEBSOCKET_SEND_H
#define CREACTOR_WEBSOCKET_SEND_H

#include "websocket/websocket.h"

/* A ping, pong or close frame; of CWIRE_WS_CONTROL_MAX bytes at most. */
void cr_websocket_put_control(cr_connection *connection, cwire_ws_opcode opcode,
                              cwire_span payload);

/* The message deflated, in a buffer that is the caller's; NULL if that would not make it shorter.
 */
cr_buffer *cr_websocket_deflate(cr_connection *connection, const cwire_span *pieces, size_t count);
/* The connection, if it is a WebSocket that messages can be sent on; else NULL. */
cr_connection *cr_websocket_find_open(cr_loop *loop, cr_id id);

/* The state of deflate that the messages of a loop share; NULL without memory. */
cwire_deflate *cr_loop_deflate(cr_loop *loop);
void cr_loop_deflate_free(cr_loop *loop);

#endif
