#include "http/reply.h"

#include <cwire/http1_writer.h>

#include "http/exchange.h"
#include "listener/listener.h"

/* Heads are made on the stack. What is given beside them is copied behind while it fits, as one
   piece is cheaper for the kernel than several; the rest travels as pieces of its own. */
enum { HEAD_BYTES = 2048, PIECES = 16 };

enum { LENGTH_NONE = -1, LENGTH_CHUNKED = -2 };

typedef struct reply_head {
  uint8_t bytes[HEAD_BYTES];
  cwire_writer writer;
} reply_head;

static void put_head(cr_connection *connection, reply_head *head, int status,
                     cwire_span content_type, int64_t length) {
  cwire_writer *writer = &head->writer;
  *writer = cwire_writer_make(head->bytes, sizeof head->bytes);
  cwire_http1_put_status_line(writer, status);
  cwire_http1_put_field(writer, CWIRE_FIELD_DATE, cr_loop_date(connection->loop));
  if (content_type.length) cwire_http1_put_field(writer, CWIRE_FIELD_CONTENT_TYPE, content_type);
  if (length == LENGTH_CHUNKED)
    cwire_http1_put_chunked(writer);
  else if (length >= 0)
    cwire_http1_put_content_length(writer, (uint64_t)length);
  bool persist = connection->server_state & PERSIST;
  if (!persist) {
    cwire_http1_put_field(writer, CWIRE_FIELD_CONNECTION, cwire_span_text("close"));
  } else if (connection->server_state & VERSION_1_0) {
    cwire_http1_put_field(writer, CWIRE_FIELD_CONNECTION, cwire_span_text("keep-alive"));
  }
}

static bool without_content(int status) {
  return status < 200 || status == 204 || status == 304;
}

void cr_http_linger(cr_connection *connection) {
  if (cr_is_closing(connection)) return;
  cr_http_exchange_drop(connection);
  connection->server_state = LINGERING;
  if (cr_has_ended(connection)) {
    cr_connection_close_flushed(connection);
    return;
  }
  if (connection->held) cr_connection_hold(connection, false);
  cr_connection_shutdown(connection);
  cr_connection_set_timer(connection, cr_loop_time(connection->loop) + 1000);
  if (connection->kept) cr_connection_defer(connection);
}

void cr_http_cut(cr_connection *connection) {
  /* Where the end of the connection would be the end of the answer, only a reset shows that it is
   * not. */
  connection->reset = connection->server_state & STREAMING && !(connection->server_state & CHUNKED);
  cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
}

/* An answer is complete: the connection turns to the next request or ends. */
static void answered(cr_connection *connection) {
  connection->tag = 0;
  if (cr_is_closing(connection)) return;
  cr_http_exchange_drop(connection);
  if (!(connection->server_state & PERSIST)) {
    cr_http_linger(connection);
    return;
  }
  cr_loop *loop = connection->loop;
  uint64_t now = cr_loop_time(loop);
  connection->server_state = PERSIST;
  connection->last_activity = (uint32_t)now;
  if (loop->draining) {
    /* A stream that had begun before: the client was not told that it is the last answer. */
    cr_connection_set_timer(connection, now + loop->drain_grace);
  } else if (!cr_timer_armed(&connection->timer)) {
    cr_connection_set_timer(connection, now + connection->server.listener->limits.idle_timeout);
  }
  /* Requests that wait, and an end that waited for its answers, have their turn outside of this
   * call. */
  if (connection->kept || cr_has_ended(connection) || connection->held)
    cr_connection_defer(connection);
}

void cr_http_refuse(cr_connection *connection, int status) {
  cr_loop *loop = connection->loop;
  loop->counts.rejected++;
  connection->server_state = SERVING;
  reply_head head;
  const char *reason = cwire_http1_status_reason(status);
  /* There is one thing that a client can have too much of here. */
  if (status == 429) reason = "Too many connections from this address (connections_per_address)";
  cwire_span body = cwire_span_text(reason);
  put_head(connection, &head, status, cwire_span_text("text/plain"), (int64_t)body.length + 1);
  /* RFC 9110 section 15.5.6 demands it; CONNECT is the only method refused here. */
  cwire_span allowed = cwire_span_text("GET, HEAD, POST, DELETE, OPTIONS");
  if (status == 405) cwire_http1_put_field(&head.writer, CWIRE_FIELD_ALLOW, allowed);
  if (status == 503 || status == 429)
    cwire_http1_put_field(&head.writer, CWIRE_FIELD_RETRY_AFTER, cwire_span_text("1"));
  cwire_http1_put_head_end(&head.writer);
  cr_piece pieces[] = {
      cr_piece_span(cwire_writer_written(&head.writer)),
      cr_piece_span(body),
      cr_piece_span(cwire_span_text("\n")),
  };
  cr_connection_write(connection, pieces, 3);
  answered(connection);
}

/* ---- For policy ---- */

static cr_connection *find_in_state(cr_loop *loop, cr_id id, uint32_t state) {
  cr_connection *connection = cr_connection_find(loop, id);
  if (!connection || connection->kind != CR_KIND_DOWNSTREAM) return NULL;
  return connection->server_state & state ? connection : NULL;
}

cr_connection *cr_http_awaiting(cr_loop *loop, cr_id id) {
  return find_in_state(loop, id, SERVING);
}

/* Writes the head of `reply` and the pieces of `body`. */
static cr_write write_reply(cr_connection *connection, const cr_reply *reply, int64_t length,
                            const cwire_span *body, size_t count, bool soon) {
  reply_head head;
  put_head(connection, &head, reply->status, reply->content_type, length);
  cwire_writer *writer = &head.writer;
  bool joined = reply->headers.length + 2 <= writer->capacity - writer->length;
  if (joined) {
    cwire_writer_put_span(writer, reply->headers);
    cwire_http1_put_head_end(writer);
    while (count > 0 && body->length <= writer->capacity - writer->length) {
      cwire_writer_put_span(writer, *body);
      body++;
      count--;
    }
  }
  if (!cwire_writer_ok(writer)) {
    /* A status or type that can't be written: policy's mistake, which must not reach the wire. */
    cr_connection_broken(connection);
    return CR_WRITE_OK;
  }
  cr_piece pieces[PIECES];
  size_t used = 0;
  pieces[used++] = cr_piece_span(cwire_writer_written(writer));
  if (!joined) {
    pieces[used++] = cr_piece_span(reply->headers);
    pieces[used++] = cr_piece_span(cwire_span_text("\r\n"));
  }
  cr_write answer = CR_WRITE_OK;
  for (size_t index = 0; index < count; index++) {
    if (used == PIECES) {
      cr_connection_write(connection, pieces, used);
      used = 0;
    }
    pieces[used++] = cr_piece_span(body[index]);
  }
  answer = soon ? cr_connection_write_soon(connection, pieces, used)
                : cr_connection_write(connection, pieces, used);
  return answer == CR_WRITE_STALE ? CR_WRITE_OK : answer;
}

cr_write cr_http_reply(cr_loop *loop, cr_id id, const cr_reply *reply) {
  cr_connection *connection = find_in_state(loop, id, SERVING);
  if (!connection) return CR_WRITE_STALE;
  if (reply->close || loop->draining) connection->server_state &= ~(uint32_t)PERSIST;
  int64_t length = 0;
  for (size_t index = 0; index < reply->body_count; index++)
    length += (int64_t)reply->body[index].length;
  bool none = without_content(reply->status);
  bool bodiless = none || connection->server_state & HEAD_ONLY;
  cr_write answer = write_reply(connection, reply, none ? LENGTH_NONE : length, reply->body,
                                bodiless ? 0 : reply->body_count, false);
  answered(connection);
  return answer;
}

cr_write cr_http_stream_begin(cr_loop *loop, cr_id id, const cr_reply *reply) {
  cr_connection *connection = find_in_state(loop, id, SERVING);
  if (!connection) return CR_WRITE_STALE;
  bool none = without_content(reply->status);
  bool old = connection->server_state & VERSION_1_0;
  bool bodiless = none || connection->server_state & HEAD_ONLY;
  /* Until close is the only frame that HTTP/1.0 has for an unknown length. */
  if (reply->close || loop->draining || (old && !bodiless))
    connection->server_state &= ~(uint32_t)PERSIST;
  connection->server_state = (connection->server_state & ~(uint32_t)SERVING) | STREAMING;
  if (bodiless) connection->server_state |= BODILESS;
  if (!old && !bodiless) connection->server_state |= CHUNKED;
  return write_reply(connection, reply, !old && !none ? LENGTH_CHUNKED : LENGTH_NONE, NULL, 0,
                     true);
}

static cr_write write_gathering(cr_connection *connection, const cr_piece *pieces, size_t count,
                                cr_gathering gathering) {
  return gathering == CR_AT_ONCE ? cr_connection_write(connection, pieces, count)
                                 : cr_connection_write_soon(connection, pieces, count);
}

/* Writes pieces as one chunk. */
static cr_write write_chunk(cr_connection *connection, const cr_piece *body, size_t count,
                            cr_gathering gathering) {
  size_t length = 0;
  for (size_t index = 0; index < count; index++)
    length += body[index].span.length;
  /* A chunk of no bytes would be the end. */
  if (length == 0 || connection->server_state & BODILESS) return CR_WRITE_OK;
  cr_http_exchange *exchange = connection->server.exchange;
  if (exchange) exchange->written = cr_loop_time(connection->loop);
  bool chunked = connection->server_state & CHUNKED;
  uint8_t line[24];
  cwire_writer writer = cwire_writer_make(line, sizeof line);
  cwire_http1_put_chunk_head(&writer, length);

  cr_piece pieces[PIECES];
  size_t used = 0;
  cr_write answer = CR_WRITE_OK;
  if (chunked) pieces[used++] = cr_piece_span(cwire_writer_written(&writer));
  for (size_t index = 0; index <= count; index++) {
    if (used == PIECES) {
      write_gathering(connection, pieces, used, gathering);
      used = 0;
    }
    if (index < count)
      pieces[used++] = body[index];
    else if (chunked)
      pieces[used++] = cr_piece_span(cwire_span_text("\r\n"));
  }
  answer = write_gathering(connection, pieces, used, gathering);
  return answer == CR_WRITE_STALE ? CR_WRITE_OK : answer;
}

cr_write cr_http_stream_write(cr_loop *loop, cr_id id, const cwire_span *spans, size_t count,
                              cr_gathering gathering) {
  cr_connection *connection = find_in_state(loop, id, STREAMING);
  if (!connection) return CR_WRITE_STALE;
  cr_piece pieces[PIECES];
  cr_write answer = CR_WRITE_OK;
  do {
    size_t taken = count < PIECES ? count : PIECES;
    for (size_t index = 0; index < taken; index++)
      pieces[index] = cr_piece_span(spans[index]);
    answer = write_chunk(connection, pieces, taken, gathering);
    spans += taken;
    count -= taken;
  } while (count > 0);
  return answer;
}

cr_write cr_http_stream_write_frame(cr_loop *loop, cr_id id, cwire_span before, cr_frame *frame,
                                    cr_gathering gathering) {
  cr_connection *connection = find_in_state(loop, id, STREAMING);
  if (!connection) return CR_WRITE_STALE;
  cr_piece pieces[] = {cr_piece_span(before), cr_piece_frame(frame)};
  return write_chunk(connection, pieces, 2, gathering);
}

cr_write cr_http_stream_end(cr_loop *loop, cr_id id) {
  cr_connection *connection = find_in_state(loop, id, STREAMING);
  if (!connection) return CR_WRITE_STALE;
  cr_write answer = CR_WRITE_OK;
  if (connection->server_state & CHUNKED) {
    cr_piece piece = cr_piece_span(cwire_span_text("0\r\n\r\n"));
    answer = cr_connection_write_soon(connection, &piece, 1);
  }
  answered(connection);
  return answer == CR_WRITE_STALE ? CR_WRITE_OK : answer;
}

void cr_http_stream_heartbeat(cr_loop *loop, cr_id id, uint32_t interval_ms, cr_frame *frame) {
  cr_connection *connection = find_in_state(loop, id, STREAMING);
  if (!connection) return;
  if (interval_ms == 0 || !frame) {
    cr_http_exchange_drop(connection);
    return;
  }
  cr_http_exchange *exchange = cr_http_exchange_of(connection);
  if (!exchange) return;
  cr_frame_retain(frame);
  cr_frame_release(exchange->heartbeat);
  exchange->heartbeat = frame;
  exchange->interval = interval_ms;
  exchange->written = cr_loop_time(loop);
  cr_connection_set_timer(connection, exchange->written + interval_ms);
}

void cr_http_heartbeat(cr_connection *connection) {
  cr_http_exchange *exchange = connection->server.exchange;
  uint64_t now = cr_loop_time(connection->loop);
  if (now - exchange->written >= exchange->interval) {
    /* While bytes wait for the peer, one more would tell nobody anything. */
    cr_piece piece = cr_piece_frame(exchange->heartbeat);
    if (cr_connection_queued(connection) == 0) write_chunk(connection, &piece, 1, CR_GATHERED);
    exchange->written = now;
  }
  if (!cr_is_closing(connection))
    cr_connection_set_timer(connection, exchange->written + exchange->interval);
}
