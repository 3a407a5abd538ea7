#include "websocket/protocol.h"

#include "connection/slab.h"
#include "listener/admission.h"
#include "listener/relief.h"
#include "tls/transport.h"
#include "websocket/close.h"
#include "websocket/incoming.h"
#include "websocket/message.h"
#include "websocket/send.h"

/* Bytes of messages to come that are kept while the peer does not read its answers; then reading
   stops. */
enum { WAITING_BYTES = 64 * 1024 };

cr_websocket_settings cr_websocket_settings_default(void) {
  return (cr_websocket_settings){
      .max_message = 4 * 1024 * 1024,
      .max_frame = 64 * 1024,
      .compression = true,
      .compression_threshold = 1024,
      .ping_interval = 30 * 1000,
      .pong_timeout = 10 * 1000,
      .close_timeout = 5 * 1000,
  };
}

static const cr_protocol protocol;

void cr_websocket_begin(cr_connection *connection, const cr_websocket_settings *settings,
                        uint32_t state, const cwire_ws_deflate *agreed) {
  cr_listener *listener =
      connection->kind == CR_KIND_DOWNSTREAM ? connection->server.listener : NULL;
  uint64_t now = cr_loop_time(connection->loop);
  state |= WS_OPEN;
  if (agreed->on) {
    unsigned bits = state & WS_CLIENT ? agreed->client_bits : agreed->server_bits;
    state |= WS_DEFLATE | bits << WS_BITS_SHIFT;
  }
  connection->protocol = &protocol;
  connection->server_state = 0;
  connection->websocket_state = (uint16_t)state;
  connection->websocket.listener = listener;
  connection->websocket.settings = settings;
  connection->close_code = CWIRE_WS_ABNORMAL;
  connection->last_activity = (uint32_t)now;
  cr_connection_set_timer(connection, settings->ping_interval ? now + settings->ping_interval : 0);
  /* An end that came with the handshake has its turn outside of this call. */
  if (cr_has_ended(connection) || connection->held) cr_connection_defer(connection);
}

/* ---- Reading ---- */

/* A peer that sends messages and does not read the answers waits for its turn. */
static bool held_back(const cr_connection *connection) {
  return !(connection->websocket_state & WS_CLOSE_SENT) &&
         cr_connection_queued(connection) > connection->loop->options.write_high_water;
}

static void take_control(cr_connection *connection, const cwire_ws_event *event) {
  if (event->opcode == CWIRE_WS_CLOSE)
    cr_websocket_close_seen(connection, event->code);
  else if (event->opcode == CWIRE_WS_PING && !(connection->websocket_state & WS_CLOSE_SENT))
    cr_websocket_put_control(connection, CWIRE_WS_PONG, event->data);
}

/* Keeps a piece of a message. False if that ended the connection. */
static bool collect(cr_connection *connection, cwire_span piece) {
  cr_loop *loop = connection->loop;
  cr_websocket *engaged = cr_websocket_engage(connection);
  if (!engaged || !cr_buffer_append(&loop->buffers, &engaged->message, piece)) {
    cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
    return false;
  }
  if (cr_loop_refuses(loop, connection)) {
    cr_websocket_fail(connection, CWIRE_WS_TRY_AGAIN);
    return false;
  }
  return true;
}

static void take_data(cr_connection *connection, const cwire_ws_event *event) {
  if (connection->websocket_state & WS_CLOSE_SENT) return;
  bool binary = event->opcode == CWIRE_WS_BINARY;
  if (event->first && event->last) {
    cr_websocket_deliver(connection, event->data, binary, event->compressed);
    return;
  }
  if (!collect(connection, event->data) || !event->last) return;
  cr_websocket *engaged = connection->websocket.engaged;
  cr_buffer *message = engaged->message;
  engaged->message = NULL;
  cwire_span bytes = message ? cr_buffer_span(message) : cwire_span_make("", 0);
  cr_websocket_deliver(connection, bytes, binary, event->compressed);
  cr_buffer_give(&connection->loop->buffers, message);
}

static size_t websocket_read(cr_connection *connection, cwire_span bytes) {
  if (connection->websocket_state & WS_FAILED) return bytes.length;
  cr_loop *loop = connection->loop;
  const cr_websocket_settings *settings = cr_websocket_settings_of(connection);
  uint16_t state = connection->websocket_state;
  cwire_ws_limits limits = {
      .max_message = settings->max_message,
      .max_frame = settings->strict_frame_size ? settings->max_frame : 0,
      .deflate = state & WS_DEFLATE,
  };
  cwire_ws_peer peer = state & WS_CLIENT ? CWIRE_WS_SERVER : CWIRE_WS_CLIENT;
  cwire_ws_reader reader = {0};
  if (state & WS_ENGAGED) reader = connection->websocket.engaged->reader;

  cwire_span rest = bytes;
  while (rest.length > 0 && !cr_is_closing(connection) && !connection->paused) {
    if (connection->websocket_state & WS_CLOSE_SEEN) {
      rest.length = 0; /* nothing may follow it */
      break;
    }
    if (held_back(connection)) {
      if (rest.length >= WAITING_BYTES && !connection->held) cr_connection_hold(connection, true);
      break;
    }
    cwire_ws_event event;
    cwire_ws_step step = cwire_ws_next(&reader, &limits, peer, &rest, &event);
    if (step == CWIRE_WS_MORE) break;
    loop->gathering = rest.length > 0 ? connection : NULL;
    if (step == CWIRE_WS_DATA) {
      take_data(connection, &event);
    } else if (step == CWIRE_WS_CONTROL) {
      take_control(connection, &event);
    } else {
      cr_websocket_fail(connection, event.code);
    }
    if (connection->websocket_state & WS_FAILED) {
      rest.length = 0;
      reader = (cwire_ws_reader){0};
      break;
    }
  }
  loop->gathering = NULL;
  if (cr_is_closing(connection)) return bytes.length;
  if (cwire_ws_at_rest(&reader)) {
    cr_websocket_disengage(connection);
  } else {
    cr_websocket *engaged = cr_websocket_engage(connection);
    if (engaged)
      engaged->reader = reader;
    else
      cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
  }
  return bytes.length - rest.length;
}

/* ---- Ends ---- */

static void websocket_eof(cr_connection *connection) {
  if (connection->websocket_state & (WS_CLOSE_SENT | WS_FAILED)) {
    cr_connection_close_flushed(connection);
  } else if (!connection->paused && !(connection->kept && connection->full)) {
    /* What is kept while the queue is full may be whole messages, which come before the end. */
    cr_connection_cut_off(connection);
  }
}

/* The end of a pause, and of a time in which the peer did not read. */
static void websocket_run(cr_connection *connection) {
  cr_connection_read_kept(connection);
  if (cr_is_closing(connection)) return;
  size_t kept = connection->kept ? connection->kept->end - connection->kept->begin : 0;
  if (connection->held && kept < WAITING_BYTES) cr_connection_hold(connection, false);
  if (cr_has_ended(connection) && !cr_is_closing(connection)) websocket_eof(connection);
}

static void websocket_drained(cr_connection *connection) {
  cr_loop *loop = connection->loop;
  if (connection->kept || connection->held || cr_has_ended(connection))
    cr_connection_defer(connection);
  if (connection->websocket_state & WS_CLOSE_SENT) return;
  cr_loop_event(loop);
  loop->handlers.drained(loop->context, cr_connection_id(connection), connection->tag);
}

static void websocket_flushed(cr_connection *connection) {
  if (connection->websocket_state & WS_UNSENT) cr_websocket_await_end(connection);
}

/* Whether a byte has come since the ping that the timer now fires for. */
static bool has_answered(const cr_connection *connection) {
  uint32_t timeout = cr_websocket_settings_of(connection)->pong_timeout;
  uint32_t pinged = (uint32_t)connection->timer.deadline - timeout;
  return (int32_t)(connection->last_activity - pinged) >= 0;
}

/* Whether a silence says nothing about the peer: we do not read, or it still has to. The stall of
   its reading is `cr_close_stalled`'s to judge. */
static bool is_blind(const cr_connection *connection) {
  return connection->paused || connection->held || cr_connection_queued(connection) > 0;
}

static bool has_unread(cr_connection *connection) {
  return connection->transport->unread && connection->transport->unread(connection);
}

static void websocket_timer(cr_connection *connection) {
  if (connection->websocket_state & (WS_CLOSE_SENT | WS_FAILED)) {
    if (cr_connection_queued(connection) > 0)
      cr_websocket_await_end(connection);
    else
      cr_connection_close(connection, cr_error_reason(CR_REASON_TIMED_OUT));
    return;
  }
  const cr_websocket_settings *settings = cr_websocket_settings_of(connection);
  if (settings->ping_interval == 0) return;
  uint64_t now = cr_loop_time(connection->loop);
  uint32_t quiet = (uint32_t)now - connection->last_activity;
  bool pinged = connection->websocket_state & WS_PINGED;
  connection->websocket_state &= (uint16_t)~WS_PINGED;
  if (is_blind(connection)) {
    cr_connection_set_timer(connection, now + settings->ping_interval);
  } else if (quiet < settings->ping_interval) {
    cr_connection_set_timer(connection, now + settings->ping_interval - quiet);
  } else if (pinged && !has_answered(connection) && !has_unread(connection)) {
    connection->reset = 1;
    cr_connection_close(connection, cr_error_reason(CR_REASON_TIMED_OUT));
  } else {
    cr_websocket_put_control(connection, CWIRE_WS_PING, cwire_span_make("", 0));
    bool mortal = settings->pong_timeout > 0;
    if (mortal) connection->websocket_state |= WS_PINGED;
    cr_connection_set_timer(connection,
                            now + (mortal ? settings->pong_timeout : settings->ping_interval));
  }
}

static void websocket_end(cr_connection *connection, bool abort) {
  connection->websocket_state |= WS_UNTOLD;
  if (connection->kind == CR_KIND_DOWNSTREAM) connection->tag = 0;
  if (abort)
    cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
  else
    cr_websocket_end(connection, CWIRE_WS_NORMAL, cwire_span_make("", 0));
}

static size_t websocket_held(const cr_connection *connection) {
  if (!(connection->websocket_state & WS_ENGAGED)) return 0;
  return cr_buffer_capacity(connection->websocket.engaged->message);
}

static void websocket_relieve(cr_connection *connection) {
  if (cr_connection_queued(connection) < CR_RELIEF_WORTH)
    cr_websocket_fail(connection, CWIRE_WS_TRY_AGAIN);
  else
    cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
}

static void websocket_closed(cr_connection *connection, cr_error error) {
  cr_loop *loop = connection->loop;
  uint16_t state = connection->websocket_state;
  if (state & WS_FAILED)
    error = (cr_error){CR_DOMAIN_WEBSOCKET, connection->close_code};
  else if (state & WS_CLOSE_SEEN)
    error = cr_error_reason(CR_REASON_PEER_CLOSED);
  cr_websocket_disengage(connection);
  bool told = !(state & WS_UNTOLD);
  cr_id id = cr_connection_id(connection);
  if (connection->kind == CR_KIND_DOWNSTREAM) {
    if (told && connection->tag != 0) {
      cr_loop_event(loop);
      loop->handlers.closed(loop->context, id, connection->tag, error);
    }
    cr_listener_forget(connection);
  } else if (told) {
    cr_loop_event(loop);
    loop->handlers.upstream_closed(loop->context, id, connection->tag, error, true);
  }
  cr_tls_detach(connection);
}

static const cr_protocol protocol = {
    .read = websocket_read,
    .eof = websocket_eof,
    .drained = websocket_drained,
    .flushed = websocket_flushed,
    .timer = websocket_timer,
    .run = websocket_run,
    .end = websocket_end,
    .held = websocket_held,
    .relieve = websocket_relieve,
    .closed = websocket_closed,
};

/* ---- For policy ---- */

void cr_websocket_close(cr_loop *loop, cr_id id, unsigned code, cwire_span reason) {
  cr_connection *connection = cr_connection_find(loop, id);
  if (!connection || !cr_is_websocket(connection)) return;
  connection->websocket_state |= WS_UNTOLD;
  cr_websocket_end(connection, code, reason);
}

unsigned cr_websocket_close_code(cr_loop *loop, cr_id id) {
  /* Closing or not, so that `closed` can ask. */
  cr_connection *connection = cr_slab_find(&loop->slab, id);
  if (!connection || !cr_is_websocket(connection)) return 0;
  return connection->websocket_state & WS_FAILED ? CWIRE_WS_ABNORMAL : connection->close_code;
}
