#include "http/server.h"

#include "connection/slab.h"
#include "http/exchange.h"
#include "http/reply.h"
#include "listener/admission.h"
#include "listener/client_address.h"
#include "listener/relief.h"
#include "tls/transport.h"

/* How long and for how many bytes a client that was given its last answer is listened to. Closing
   while it still sends would reset the connection, and it might never read the answer (RFC 9112
   section 9.6). */
enum { LINGER_QUIET_MS = 1000, LINGER_MS = 5000, LINGER_BYTES = 1024 * 1024 };

/* ---- Requests ---- */

/* Arms the timer unless it fires early enough as it is; the timer looks at what is due by itself.
 */
static void wake_by(cr_connection *connection, uint64_t when) {
  if (cr_timer_armed(&connection->timer) && connection->timer.deadline <= when) return;
  cr_connection_set_timer(connection, when);
}

static cwire_http1_limits head_limits(const cr_connection *connection) {
  const cr_http_limits *limits = &connection->server.listener->limits;
  return (cwire_http1_limits){.max_head = limits->max_head,
                              .max_target = limits->max_target,
                              .max_headers = limits->max_headers};
}

static void out_of_memory(cr_connection *connection) {
  cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
}

static void server_eof(cr_connection *connection);

static void hand_over(cr_connection *connection, const cwire_http1_head *head, cwire_span body) {
  cr_loop *loop = connection->loop;
  if (cr_loop_refuses(loop, connection)) {
    cr_http_refuse(connection, 503);
    return;
  }
  uint32_t state = SERVING;
  if (head->method == CWIRE_METHOD_HEAD) state |= HEAD_ONLY;
  if (head->minor == 0) state |= VERSION_1_0;
  if (head->keep_alive) state |= PERSIST;
  connection->server_state = state;
  loop->events++;
  loop->handlers.request(loop->context, cr_connection_id(connection), head, body);
  /* The end came while this request waited. */
  if (connection->receiving == CR_RECEIVING_TOLD && !cr_is_closing(connection) &&
      connection->protocol == &cr_http_server && connection->server_state & BUSY)
    server_eof(connection);
}

/* The body is whole: the head is parsed again from its copy, as its spans died with the read
 * buffer. */
static void hand_over_collected(cr_connection *connection) {
  cr_loop *loop = connection->loop;
  cr_http_exchange *exchange = connection->server.exchange;
  cr_buffer *head_bytes = exchange->head, *content = exchange->content;
  exchange->head = exchange->content = NULL;
  cr_http_exchange_drop(connection);
  cwire_http1_limits limits = head_limits(connection);
  if (cwire_http1_parse_request(&loop->head, &limits, cr_buffer_span(head_bytes), 0) <= 0) {
    cr_connection_broken(connection);
  } else {
    cwire_span body = content ? cr_buffer_span(content) : cwire_span_make("", 0);
    hand_over(connection, &loop->head, body);
  }
  cr_buffer_give(&loop->buffers, head_bytes);
  cr_buffer_give(&loop->buffers, content);
}

/* Decodes body from `input`. CWIRE_OK when the body is whole, in `whole` if it came in one piece at
 * once. */
static int collect(cr_connection *connection, cwire_http1_body *body, cwire_span *input,
                   cwire_span *whole) {
  cr_loop *loop = connection->loop;
  int status = CWIRE_MORE;
  while (status == CWIRE_MORE && input->length > 0) {
    cwire_span piece;
    status = cwire_http1_body_next(body, input, &piece);
    if (status < 0) break;
    if (piece.length == 0) continue;
    cr_http_exchange *exchange = connection->server.exchange;
    if (status == CWIRE_OK && whole && whole->length == 0 && !(exchange && exchange->content)) {
      *whole = piece;
      break;
    }
    exchange = cr_http_exchange_of(connection);
    if (!exchange || !cr_buffer_append(&loop->buffers, &exchange->content, piece)) return UV_ENOMEM;
  }
  return status;
}

static void send_continue(cr_connection *connection) {
  cr_piece piece = cr_piece_span(cwire_span_text("HTTP/1.1 100 Continue\r\n\r\n"));
  cr_connection_write(connection, &piece, 1);
}

/* A head is there and its body is not: both move to the exchange. */
static void begin_collecting(cr_connection *connection, const cwire_http1_body *body,
                             cwire_span head) {
  cr_loop *loop = connection->loop;
  cr_http_exchange *exchange = cr_http_exchange_of(connection);
  if (!exchange || !cr_buffer_append(&loop->buffers, &exchange->head, head)) {
    out_of_memory(connection);
    return;
  }
  exchange->body = *body;
  exchange->started = cr_loop_time(loop);
  exchange->seen = 0;
  connection->server_state |= COLLECTING;
  wake_by(connection, cr_loop_time(loop) + connection->server.listener->limits.body_timeout);
}

static void fail_body(cr_connection *connection, int status) {
  if (status == UV_ENOMEM)
    out_of_memory(connection);
  else
    cr_http_refuse(connection, cwire_http1_error_status(status));
}

static size_t continue_collecting(cr_connection *connection, cwire_span input) {
  cwire_span rest = input;
  cr_http_exchange *exchange = connection->server.exchange;
  int status = collect(connection, &exchange->body, &rest, NULL);
  exchange->seen += input.length - rest.length;
  if (status == CWIRE_OK)
    hand_over_collected(connection);
  else if (status < 0)
    fail_body(connection, status);
  else if (cr_loop_refuses(connection->loop, connection))
    cr_http_refuse(connection, 503);
  return input.length - rest.length;
}

/* Takes one request from the front of `input`, or as much as is there. The bytes that are used up.
 */
static size_t take_request(cr_connection *connection, cwire_span input) {
  cr_loop *loop = connection->loop;
  if (connection->server_state & COLLECTING) return continue_collecting(connection, input);
  cwire_http1_head *head = &loop->head;
  cwire_http1_limits limits = head_limits(connection);
  cr_http_exchange *exchange = connection->server.exchange;
  size_t seen = exchange ? exchange->seen : 0;
  ptrdiff_t length =
      cwire_http1_parse_request(head, &limits, input, seen < input.length ? seen : 0);
  if (length < 0) {
    cr_http_refuse(connection, cwire_http1_error_status((int)length));
    return input.length;
  }
  if (length == 0) {
    exchange = cr_http_exchange_of(connection);
    if (!exchange) {
      out_of_memory(connection);
      return input.length;
    }
    if (exchange->seen == 0) {
      exchange->started = cr_loop_time(loop);
      if (cr_loop_refuses(loop, connection)) {
        cr_http_refuse(connection, 503);
        return input.length;
      }
      wake_by(connection, exchange->started + connection->server.listener->limits.head_timeout);
    }
    exchange->seen = input.length;
    return 0;
  }
  cr_http_exchange_drop(connection);
  if (connection->trusted && !cr_client_asks(connection, head)) {
    cr_http_refuse(connection, 429);
    return input.length;
  }

  cwire_http1_body body;
  cwire_span rest = cwire_span_make(input.base + length, input.length - (size_t)length);
  cwire_span whole = cwire_span_make(rest.base, 0);
  int status = cwire_http1_body_start(&body, head, connection->server.listener->limits.max_body);
  bool nothing_yet = rest.length == 0;
  if (status == CWIRE_MORE) status = collect(connection, &body, &rest, &whole);
  if (status < 0) {
    fail_body(connection, status);
    return input.length;
  }
  size_t used = input.length - rest.length;
  if (status == CWIRE_MORE) {
    bool wants_continue = head->expect_continue && nothing_yet;
    begin_collecting(connection, &body, cwire_span_make(input.base, (size_t)length));
    if (cr_loop_refuses(loop, connection))
      cr_http_refuse(connection, 503);
    else if (wants_continue && !cr_is_closing(connection))
      send_continue(connection);
    return used;
  }
  exchange = connection->server.exchange;
  if (!exchange) {
    hand_over(connection, head, whole);
    return used;
  }
  /* It came at once, but in several chunks, which were joined. */
  cr_buffer *content = exchange->content;
  exchange->content = NULL;
  cr_http_exchange_drop(connection);
  hand_over(connection, head, content ? cr_buffer_span(content) : whole);
  cr_buffer_give(&loop->buffers, content);
  return used;
}

static size_t throw_away(cr_connection *connection, cwire_span bytes) {
  cr_http_exchange *exchange = cr_http_exchange_of(connection);
  if (exchange) exchange->seen += bytes.length;
  if (!exchange || exchange->seen > LINGER_BYTES) {
    cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
  }
  return bytes.length;
}

/* Bytes of requests to come that are kept while an answer is due; then reading stops. */
static size_t read_ahead(const cr_connection *connection) {
  return cr_loop_sheds(connection->loop) ? 1 : connection->server.listener->limits.pipeline;
}

/* A client that sends requests and does not read the answers waits for its turn. */
static bool held_back(const cr_connection *connection) {
  return cr_connection_queued(connection) > connection->loop->options.write_high_water;
}

static size_t server_read(cr_connection *connection, cwire_span bytes) {
  size_t used = 0;
  while (used < bytes.length && !cr_is_closing(connection)) {
    cwire_span rest = cwire_span_make(bytes.base + used, bytes.length - used);
    if (connection->server_state & LINGERING) return used + throw_away(connection, rest);
    if (connection->server_state & BUSY || held_back(connection)) {
      if (rest.length >= read_ahead(connection) && !connection->held)
        cr_connection_hold(connection, true);
      break;
    }
    size_t taken = take_request(connection, rest);
    if (taken == 0) break;
    used += taken;
    if (connection->protocol != &cr_http_server) {
      rest = cwire_span_drop(bytes, used);
      return rest.length > 0 ? used + connection->protocol->read(connection, rest) : used;
    }
  }
  return used;
}

/* ---- Ends ---- */

static void server_eof(cr_connection *connection) {
  cr_loop *loop = connection->loop;
  if (connection->server_state & LINGERING) {
    cr_connection_close_flushed(connection);
  } else if (connection->server_state & BUSY) {
    loop->handlers.peer_ended(loop->context, cr_connection_id(connection), connection->tag);
  } else if (!connection->deferred && !connection->full) {
    /* Between requests, or within one that will never be whole. While the queue is full, whole ones
     * may wait for it to drain, and `server_run` comes back to the end behind them. */
    cr_connection_close_flushed(connection);
  }
}

/* Asked for when an answer was completed by policy at its own time. */
static void server_run(cr_connection *connection) {
  cr_connection_read_kept(connection);
  if (connection->protocol != &cr_http_server) return;
  if (cr_is_closing(connection) || connection->server_state & LINGERING) return;
  size_t kept = connection->kept ? connection->kept->end - connection->kept->begin : 0;
  if (connection->held && kept < connection->server.listener->limits.pipeline)
    cr_connection_hold(connection, false);
  bool waits = connection->server_state & BUSY || held_back(connection);
  if (cr_has_ended(connection) && !waits) cr_connection_close_flushed(connection);
}

static void linger_timer(cr_connection *connection, uint64_t now, uint32_t quiet) {
  cr_http_exchange *exchange = cr_http_exchange_of(connection);
  if (!exchange) {
    cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
    return;
  }
  /* Whether the answer gets through is `cr_close_stalled`'s to judge. */
  bool waits = connection->queue != NULL || connection->sending != CR_SENDING_SHUT;
  if (!waits && exchange->started == 0) exchange->started = now;
  if (!waits && (quiet >= LINGER_QUIET_MS || now - exchange->started >= LINGER_MS))
    cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
  else
    cr_connection_set_timer(connection, now + LINGER_QUIET_MS);
}

/* When a body that is being collected is late: nothing of it came for `body_timeout`, or less of it
   than `body_rate` asks for. */
static uint64_t body_due(const cr_connection *connection, uint64_t now, uint32_t quiet) {
  const cr_http_limits *limits = &connection->server.listener->limits;
  const cr_http_exchange *exchange = connection->server.exchange;
  uint64_t due = now + limits->body_timeout - quiet;
  if (limits->body_rate == 0) return due;
  uint64_t whole = exchange->started + limits->body_timeout +
                   (uint64_t)exchange->seen * 1000 / limits->body_rate;
  return whole < due ? whole : due;
}

/* When a connection is closed while the loop drains. A client that is about to send a request does
   not know that it had better not: it gets its answer, and with that the news. */
static uint64_t drain_due(const cr_connection *connection, uint64_t now, uint32_t quiet) {
  const cr_loop *loop = connection->loop;
  uint64_t since = now - quiet > loop->drain_began ? now - quiet : loop->drain_began;
  return since + loop->drain_grace;
}

static void end_idle(cr_connection *connection, uint64_t now) {
  const cr_transport *transport = connection->transport;
  /* What has come already is answered. */
  if (transport->unread && transport->unread(connection))
    cr_connection_set_timer(connection, now + 1);
  else
    cr_connection_close_flushed(connection);
}

static void server_timer(cr_connection *connection) {
  if (!cr_is_connected(connection)) { /* a handshake that takes too long */
    cr_connection_close(connection, cr_error_reason(CR_REASON_TIMED_OUT));
    return;
  }
  const cr_http_limits *limits = &connection->server.listener->limits;
  uint64_t now = cr_loop_time(connection->loop);
  uint32_t quiet = (uint32_t)now - connection->last_activity;
  uint32_t state = connection->server_state;
  cr_http_exchange *exchange = connection->server.exchange;
  if (state & LINGERING) {
    linger_timer(connection, now, quiet);
  } else if (state & BUSY) {
    /* Policy watches over its own answers; the timer starts again with the end of this one. */
    if (exchange && exchange->heartbeat) cr_http_heartbeat(connection);
  } else if (state & COLLECTING) {
    uint64_t due = body_due(connection, now, quiet);
    if (now >= due)
      cr_http_refuse(connection, 408);
    else
      cr_connection_set_timer(connection, due);
  } else if (exchange && exchange->seen) {
    uint64_t due = exchange->started + limits->head_timeout;
    if (now >= due)
      cr_http_refuse(connection, 408);
    else
      cr_connection_set_timer(connection, due);
  } else if (connection->loop->draining) {
    uint64_t due = drain_due(connection, now, quiet);
    if (now >= due)
      end_idle(connection, now);
    else
      cr_connection_set_timer(connection, due);
  } else {
    /* Before its first request a connection is not kept alive: it has yet to show what it is for.
     */
    uint32_t most = state & PERSIST ? limits->idle_timeout : limits->head_timeout;
    /* A client that still reads its answer does not idle. */
    if (connection->queue)
      cr_connection_set_timer(connection, now + most);
    else if (quiet >= most)
      cr_connection_close(connection, cr_error_reason(CR_REASON_TIMED_OUT));
    else
      cr_connection_set_timer(connection, now + most - quiet);
  }
}

static void server_drained(cr_connection *connection) {
  cr_loop *loop = connection->loop;
  if (!(connection->server_state & BUSY) && (connection->kept || cr_has_ended(connection))) {
    cr_connection_defer(connection);
  }
  if (!(connection->server_state & STREAMING)) return;
  loop->events++;
  loop->handlers.drained(loop->context, cr_connection_id(connection), connection->tag);
}

static void server_end(cr_connection *connection, bool abort) {
  connection->tag = 0;
  if (abort)
    cr_http_cut(connection);
  else
    cr_http_linger(connection);
}

static size_t server_held(const cr_connection *connection) {
  const cr_http_exchange *exchange = connection->server.exchange;
  if (!exchange) return 0;
  return cr_buffer_capacity(exchange->head) + cr_buffer_capacity(exchange->content);
}

static void server_relieve(cr_connection *connection) {
  bool collecting = connection->server_state & COLLECTING;
  if (collecting && cr_connection_queued(connection) < CR_RELIEF_WORTH)
    cr_http_refuse(connection, 503);
  else
    cr_http_cut(connection);
}

static void server_closed(cr_connection *connection, cr_error error) {
  cr_loop *loop = connection->loop;
  cr_http_exchange_drop(connection);
  if (connection->tag != 0) {
    loop->events++;
    loop->handlers.closed(loop->context, cr_connection_id(connection), connection->tag, error);
  }
  cr_tls_detach(connection);
  cr_listener_forget(connection);
}

const cr_protocol cr_http_server = {
    .read = server_read,
    .eof = server_eof,
    .drained = server_drained,
    .timer = server_timer,
    .run = server_run,
    .end = server_end,
    .refuse = cr_http_refuse,
    .held = server_held,
    .relieve = server_relieve,
    .closed = server_closed,
};

void cr_http_drain(cr_loop *loop, uint32_t grace) {
  loop->draining = true;
  loop->drain_began = cr_loop_time(loop);
  loop->drain_grace = grace;
  for (uint32_t slot = 0; slot < loop->slab.high; slot++) {
    cr_connection *connection = cr_slab_at(&loop->slab, slot);
    if (!connection || connection->kind == CR_KIND_FREE || cr_is_closing(connection)) continue;
    if (connection->protocol != &cr_http_server) continue;
    if (!cr_is_connected(connection)) continue; /* a handshake; its first answer will be its last */
    bool idle = !(connection->server_state & (BUSY | COLLECTING | LINGERING)) && !connection->kept;
    if (!idle) continue;
    if (grace == 0)
      end_idle(connection, loop->drain_began);
    else
      cr_connection_set_timer(connection, loop->drain_began + grace);
  }
}
