#ifndef CREACTOR_WEBSOCKET_WEBSOCKET_H
#define CREACTOR_WEBSOCKET_WEBSOCKET_H

#include <cwire/websocket.h>

#include "connection/connection.h"
#include "creactor/websocket.h"

/* An open WebSocket of either side. At rest, which is between messages, a connection has nothing
 * beyond its own struct. */

/* `cr_connection.websocket_state` */
enum {
  WS_OPEN = 1 << 0,
  WS_CLIENT = 1 << 1,  /* ours is the client side: we mask, and the peer ends TCP first */
  WS_ENGAGED = 1 << 2, /* `websocket.engaged` counts, not `websocket.settings` */
  WS_DEFLATE = 1 << 3, /* permessage-deflate was agreed upon */
  WS_PINGED = 1 << 4,  /* a ping was sent and no byte has been looked for since */
  WS_CLOSE_SENT = 1 << 5,
  WS_CLOSE_SEEN = 1 << 6,
  WS_FAILED = 1 << 7, /* what still comes can't be read: it is thrown away */
  WS_UNTOLD = 1 << 8, /* policy ended it and hears nothing more */
  WS_UNSENT = 1 << 9, /* our close frame, or what comes before it, still waits for the peer */
  /* Window bits of what we deflate, 9 to 15. */
  WS_BITS_SHIFT = 12,
};

/* What a connection needs only while a message is incomplete. Pooled. */
typedef struct cr_websocket {
  struct cr_websocket *next_free;
  const cr_websocket_settings *settings;
  cwire_ws_reader reader;
  cr_buffer *message; /* what came of it, as it travelled */
} cr_websocket;

static inline bool cr_is_websocket(const cr_connection *connection) {
  return connection->websocket_state != 0;
}

static inline const cr_websocket_settings *
cr_websocket_settings_of(const cr_connection *connection) {
  return connection->websocket_state & WS_ENGAGED ? connection->websocket.engaged->settings
                                                  : connection->websocket.settings;
}

#endif
