#include "websocket/incoming.h"

#include <stdlib.h>

cr_websocket *cr_websocket_engage(cr_connection *connection) {
  if (connection->websocket_state & WS_ENGAGED) return connection->websocket.engaged;
  cr_loop *loop = connection->loop;
  cr_websocket *engaged = loop->free_websockets;
  if (engaged)
    loop->free_websockets = engaged->next_free;
  else
    engaged = malloc(sizeof *engaged);
  if (!engaged) return NULL;
  *engaged = (cr_websocket){.settings = connection->websocket.settings};
  connection->websocket.engaged = engaged;
  connection->websocket_state |= WS_ENGAGED;
  return engaged;
}

void cr_websocket_drop_message(cr_connection *connection) {
  if (!(connection->websocket_state & WS_ENGAGED)) return;
  cr_websocket *engaged = connection->websocket.engaged;
  cr_buffer_give(&connection->loop->buffers, engaged->message);
  engaged->message = NULL;
}

void cr_websocket_rest(cr_connection *connection) {
  cr_loop *loop = connection->loop;
  cr_websocket_drop_message(connection);
  cr_websocket *engaged = connection->websocket.engaged;
  connection->websocket.settings = engaged->settings;
  connection->websocket_state &= (uint16_t)~WS_ENGAGED;
  engaged->next_free = loop->free_websockets;
  loop->free_websockets = engaged;
}

void cr_websockets_clear(cr_loop *loop) {
  while (loop->free_websockets) {
    cr_websocket *engaged = loop->free_websockets;
    loop->free_websockets = engaged->next_free;
    free(engaged);
  }
}
