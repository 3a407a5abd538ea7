#ifndef CREACTOR_HTTP_CLIENT_H
#define CREACTOR_HTTP_CLIENT_H

#include <cwire/websocket.h>

#include "loop/loop.h"

/* What a client connection whose one request asks for a WebSocket has to remember of it. */
typedef struct cr_upgrade {
  const cr_websocket_settings *settings;
  uint8_t accept[CWIRE_WS_ACCEPT_LENGTH]; /* that the server must answer */
  size_t protocol_length;
  uint8_t protocol[]; /* that was offered */
} cr_upgrade;

/* websocket/handshake.c: whether a 101 is the answer to what was asked for, and what it agreed to.
 */
bool cr_upgrade_agrees(const cr_upgrade *upgrade, const cwire_http1_head *response,
                       cwire_ws_deflate *agreed);

/* `cr_http_connect`, with an upgrade to expect (taken over if the connection is made) or NULL. */
cr_id cr_http_connect_for(cr_loop *loop, const cr_endpoint *endpoint, uint64_t tag,
                          cr_upgrade *upgrade);

#endif
