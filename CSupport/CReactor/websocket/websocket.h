#ifndef CREACTOR_WEBSOCKET_WEBSOCKET_H
#define CREACTOR_WEBSOCKET_WEBSOCKET_H

#include <cwire/websocket.h>

#include "loop/loop.h"

/* An open WebSocket of either side. At rest, which is between messages, a connection has nothing
 * beyond its own struct. */
extern const cr_protocol cr_websocket_protocol;

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

/* Makes an HTTP connection, whose protocol has let go of all it had, an open WebSocket. */
void cr_websocket_begin(cr_connection *connection, const cr_websocket_settings *settings,
                        uint32_t state, const cwire_ws_deflate *agreed);

/* Sends a close frame, unless one was sent, and awaits the peer's. */
void cr_websocket_end(cr_connection *connection, unsigned code, cwire_span reason);
/* The same because of what the peer did; what still comes of it is thrown away. */
void cr_websocket_fail(cr_connection *connection, unsigned code);

/* websocket/send.c: a ping, pong or close frame; of CWIRE_WS_CONTROL_MAX bytes at most. */
void cr_websocket_put_control(cr_connection *connection, cwire_ws_opcode opcode,
                              cwire_span payload);

/* websocket/send.c: the message deflated, in a buffer that is the caller's; NULL if that would not
 * make it shorter. */
cr_buffer *cr_websocket_deflate(cr_connection *connection, const cwire_span *pieces, size_t count);
/* The connection, if it is a WebSocket that messages can be sent on; else NULL. */
cr_connection *cr_websocket_find_open(cr_loop *loop, cr_id id);

/* websocket/message.c: hands a whole message to policy, inflated first if it is `compressed`. */
void cr_websocket_deliver(cr_connection *connection, cwire_span message, bool binary,
                          bool compressed);

/* The state of deflate that the messages of a loop share; NULL without memory. */
cwire_deflate *cr_loop_deflate(cr_loop *loop);

#endif
