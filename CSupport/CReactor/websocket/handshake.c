#include <cwire/base64.h>
#include <cwire/http1_writer.h>
#include <stdlib.h>
#include <string.h>

#include "http/client.h"
#include "http/exchange.h"
#include "http/reply.h"
#include "websocket/protocol.h"

enum { HEAD_BYTES = 2048 };

/* ---- Server side ---- */

static void refuse(cr_loop *loop, cr_id id, int status) {
  cwire_span body = cwire_span_text(cwire_http1_status_reason(status));
  cr_reply reply = {
      .status = (uint16_t)status,
      .content_type = cwire_span_text("text/plain"),
      .body = &body,
      .body_count = 1,
  };
  /* RFC 9110 sections 15.5.6 and 15.5.22, RFC 6455 section 4.4. */
  if (status == 405) reply.headers = cwire_span_text("Allow: GET\r\n");
  if (status == 426) {
    reply.headers = cwire_span_text(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
  }
  if (status == 503) reply.headers = cwire_span_text("Retry-After: 1\r\n");
  cr_http_reply(loop, id, &reply);
}

/* The head of the answer as far as the fields of the caller; false if it does not fit. */
static bool put_answer(cwire_writer *writer, const cwire_http1_head *head, cwire_span protocol,
                       const cwire_ws_deflate *agreed) {
  uint8_t accept[CWIRE_WS_ACCEPT_LENGTH];
  if (!cwire_ws_accept(cwire_http1_value(head, CWIRE_FIELD_SEC_WEBSOCKET_KEY), accept))
    return false;
  cwire_writer_put_text(writer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
  cwire_writer_put_span(writer, cwire_span_make(accept, sizeof accept));
  cwire_writer_put_text(writer, "\r\n");
  if (protocol.length > 0 && cwire_ws_has_protocol(head, protocol))
    cwire_http1_put_field(writer, CWIRE_FIELD_SEC_WEBSOCKET_PROTOCOL, protocol);
  if (agreed->on) {
    cwire_writer_put_text(writer, "Sec-WebSocket-Extensions: ");
    cwire_ws_put_agreed(writer, agreed);
    cwire_writer_put_text(writer, "\r\n");
  }
  return cwire_writer_ok(writer);
}

cr_write cr_websocket_accept(cr_loop *loop, cr_id id, const cwire_http1_head *head,
                             const cr_websocket_settings *settings, cwire_span protocol,
                             cwire_span headers) {
  cr_connection *connection = cr_http_awaiting(loop, id);
  if (!connection) return CR_WRITE_STALE;
  int refusal = loop->draining ? 503 : cwire_ws_check_request(head);
  if (refusal != 0) {
    refuse(loop, id, refusal);
    return CR_WRITE_STALE;
  }
  cwire_ws_deflate agreed = {0};
  if (settings->compression) agreed = cwire_ws_accept_offer(head);
  uint8_t bytes[HEAD_BYTES];
  cwire_writer writer = cwire_writer_make(bytes, sizeof bytes);
  if (!put_answer(&writer, head, protocol, &agreed)) {
    refuse(loop, id, 400);
    return CR_WRITE_STALE;
  }
  cr_piece pieces[3] = {{0}};
  size_t count = 1;
  if (headers.length + 2 <= writer.capacity - writer.length) {
    cwire_writer_put_span(&writer, headers);
    cwire_http1_put_head_end(&writer);
  } else {
    pieces[count++] = cr_piece_span(headers);
    pieces[count++] = cr_piece_span(cwire_span_text("\r\n"));
  }
  pieces[0] = cr_piece_span(cwire_writer_written(&writer));
  cr_http_exchange_drop(connection);
  cr_websocket_begin(connection, settings, 0, &agreed);
  cr_write answer = cr_connection_write(connection, pieces, count);
  return answer == CR_WRITE_STALE ? CR_WRITE_OK : answer;
}

/* ---- Client side ---- */

/* What a client connection has to remember of its request until that is answered. */
typedef struct opening {
  cr_upgrade upgrade;
  const cr_websocket_settings *settings;
  cwire_ws_deflate agreed;
  uint8_t accept[CWIRE_WS_ACCEPT_LENGTH]; /* that the server must answer */
  size_t protocol_length;
  uint8_t protocol[]; /* that was offered */
} opening;

/* Whether a 101 is the answer to what was asked for, and what it agreed to. */
static bool agrees(const opening *opening, const cwire_http1_head *response,
                   cwire_ws_deflate *agreed) {
  *agreed = (cwire_ws_deflate){0};
  cwire_span accept = cwire_http1_value(response, CWIRE_FIELD_SEC_WEBSOCKET_ACCEPT);
  uint64_t once = UINT64_C(1) << CWIRE_FIELD_SEC_WEBSOCKET_ACCEPT |
                  UINT64_C(1) << CWIRE_FIELD_SEC_WEBSOCKET_PROTOCOL;
  if (!response->upgrade || response->repeated & once) return false;
  if (!cwire_span_equal_ignoring_case(cwire_http1_value(response, CWIRE_FIELD_UPGRADE),
                                      cwire_span_text("websocket")))
    return false;
  if (!cwire_span_equal(accept, cwire_span_make(opening->accept, sizeof opening->accept)))
    return false;
  /* No extension that was not asked for (RFC 6455 section 4.1). */
  bool extended = cwire_http1_value(response, CWIRE_FIELD_SEC_WEBSOCKET_EXTENSIONS).base != NULL;
  if (extended && (!opening->settings->compression || !cwire_ws_read_agreed(response, agreed)))
    return false;
  cwire_span chosen = cwire_http1_value(response, CWIRE_FIELD_SEC_WEBSOCKET_PROTOCOL);
  if (chosen.base == NULL) return true;
  cwire_span offered = cwire_span_make(opening->protocol, opening->protocol_length);
  return offered.length > 0 && cwire_ws_has_protocol(response, offered);
}

static cr_error answered(cr_upgrade *upgrade, const cwire_http1_head *head) {
  opening *opening = (struct opening *)upgrade; /* its first member */
  if (head->status == 101 && agrees(opening, head, &opening->agreed)) return CR_OK;
  return (cr_error){CR_DOMAIN_WEBSOCKET, head->status};
}

static void begin(cr_connection *connection, cr_upgrade *upgrade, const cwire_http1_head *head) {
  const opening *opening = (struct opening *)upgrade;
  cr_loop *loop = connection->loop;
  cr_websocket_begin(connection, opening->settings, WS_CLIENT, &opening->agreed);
  free(upgrade);
  cr_loop_event(loop);
  loop->handlers.websocket_opened(loop->context, cr_connection_id(connection), connection->tag,
                                  head);
}

/* The request's head as far as the fields of the caller. */
static cwire_span put_request(cwire_writer *writer, const cr_websocket_settings *settings,
                              cwire_span target, cwire_span authority, cwire_span protocol,
                              cwire_span key) {
  cwire_http1_put_request_line(writer, cwire_span_text("GET"), target);
  cwire_http1_put_field(writer, CWIRE_FIELD_HOST, authority);
  cwire_writer_put_text(writer, "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Version: 13\r\n");
  cwire_http1_put_field(writer, CWIRE_FIELD_SEC_WEBSOCKET_KEY, key);
  if (protocol.length > 0)
    cwire_http1_put_field(writer, CWIRE_FIELD_SEC_WEBSOCKET_PROTOCOL, protocol);
  if (settings->compression) {
    cwire_http1_put_field(writer, CWIRE_FIELD_SEC_WEBSOCKET_EXTENSIONS,
                          cwire_span_text("permessage-deflate; server_no_context_takeover; "
                                          "client_no_context_takeover; client_max_window_bits"));
  }
  return cwire_writer_written(writer);
}

cr_id cr_websocket_connect(cr_loop *loop, const cr_endpoint *endpoint,
                           const cr_websocket_settings *settings, cwire_span target,
                           cwire_span authority, cwire_span protocol, cwire_span headers,
                           uint64_t tag) {
  uint8_t nonce[16], text[24];
  cr_loop_entropy(loop, nonce, sizeof nonce);
  cwire_writer key = cwire_writer_make(text, sizeof text);
  cwire_base64_put(&key, cwire_span_make(nonce, sizeof nonce), CWIRE_BASE64_STANDARD);

  /* What the fields add to what the caller gives is less than that. */
  size_t room = HEAD_BYTES + target.length + authority.length + protocol.length;
  cr_buffer *buffer = cr_buffer_take(&loop->buffers, room);
  opening *opening = calloc(1, sizeof *opening + protocol.length);
  cr_id id = 0;
  if (buffer && opening) {
    cwire_writer writer = cwire_writer_make(buffer->bytes, buffer->capacity);
    cwire_span request =
        put_request(&writer, settings, target, authority, protocol, cwire_writer_written(&key));
    opening->upgrade = (cr_upgrade){.answered = answered, .begin = begin};
    opening->settings = settings;
    opening->protocol_length = protocol.length;
    if (protocol.length > 0) memcpy(opening->protocol, protocol.base, protocol.length);
    bool made = cwire_ws_accept(cwire_writer_written(&key), opening->accept);
    if (made && cwire_writer_ok(&writer))
      id = cr_http_connect_for(loop, endpoint, tag, &opening->upgrade);
    if (id != 0) {
      opening = NULL;
      cwire_span pieces[] = {request, headers, cwire_span_text("\r\n")};
      cr_http_send(loop, id, pieces, 3, false);
    }
  }
  free(opening);
  cr_buffer_give(&loop->buffers, buffer);
  return id;
}
