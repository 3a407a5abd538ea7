#include "websocket/close.h"

#include <string.h>

#include "websocket/incoming.h"
#include "websocket/send.h"

void cr_websocket_await_end(cr_connection *connection) {
  if (cr_connection_queued(connection) > 0) {
    connection->websocket_state |= WS_UNSENT;
    cr_connection_set_timer(connection, 0);
    return;
  }
  connection->websocket_state &= (uint16_t)~WS_UNSENT;
  uint32_t timeout = cr_websocket_settings_of(connection)->close_timeout;
  cr_connection_set_timer(connection, cr_loop_time(connection->loop) + timeout);
}

static void send_close(cr_connection *connection, unsigned code, cwire_span reason) {
  if (connection->websocket_state & WS_CLOSE_SENT) return;
  uint8_t payload[CWIRE_WS_CONTROL_MAX];
  size_t length = 0;
  if (code != CWIRE_WS_NO_STATUS) {
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    reason = cwire_span_take(reason, sizeof payload - 2);
    if (reason.length) memcpy(payload + 2, reason.base, reason.length);
    length = 2 + reason.length;
  }
  cr_websocket_put_control(connection, CWIRE_WS_CLOSE, cwire_span_make(payload, length));
  connection->websocket_state |= WS_CLOSE_SENT;
  cr_websocket_drop_message(connection);
  cr_websocket_await_end(connection);
}

void cr_websocket_end(cr_connection *connection, unsigned code, cwire_span reason) {
  if (cr_is_closing(connection)) return;
  send_close(connection, code, reason);
  if (cr_is_closing(connection)) return;
  /* The peer's answer lies behind all that it sent before. */
  connection->paused = 0;
  cr_connection_hold(connection, false);
  if (connection->kept || cr_has_ended(connection)) cr_connection_defer(connection);
}

void cr_websocket_fail(cr_connection *connection, unsigned code) {
  if (cr_is_closing(connection)) return;
  send_close(connection, code, cwire_span_make("", 0));
  if (cr_is_closing(connection)) return;
  connection->websocket_state |= WS_FAILED;
  connection->close_code = (uint16_t)code;
  cr_connection_shutdown(connection);
}

void cr_websocket_close_seen(cr_connection *connection, unsigned code) {
  connection->websocket_state |= WS_CLOSE_SEEN;
  connection->close_code = (uint16_t)code;
  send_close(connection, code, cwire_span_make("", 0));
  if (cr_is_closing(connection)) return;
  if (connection->websocket_state & WS_CLIENT)
    cr_websocket_await_end(connection);
  else
    cr_connection_close_flushed(connection);
}
