#include <cwire/base64.h>
#include <cwire/deflate.h>

#include "request.h"

/* WebSocket (RFC 6455): the handshake, then one message a text. What is masked with is the same for
   all frames of a process: nothing stands between us and the server that would have to be fooled.
 */

static const uint8_t mask[4] = {0x5a, 0xc3, 0x17, 0x9e};
static const uint8_t nonce[16] = "sluice-load-key";

static cwire_deflate *deflate; /* one message at a time */
static bytes frame;            /* being sent */

/* ---- Sending ---- */

static void send_frame(client *client, cwire_ws_opcode opcode, cwire_span payload) {
  uint8_t head[CWIRE_WS_HEAD_MAX];
  size_t length = cwire_ws_put_head(head, opcode, true, false, payload.length, mask);
  bytes_clear(&frame);
  bytes_append(&frame, cwire_span_make(head, length));
  bytes_append(&frame, payload);
  cwire_ws_mask(frame.base + length, payload.length, mask, 0);
  connection_send(&client->main, bytes_span(&frame));
}

static void send_message(client *client, const message *message) {
  send_frame(client, CWIRE_WS_TEXT, bytes_span(&message->body));
  client_settle(client);
}

static void prepare(client *client) {
  client->call_body = 0;
  bytes_clear(&client->call);
  bytes_append(&client->call, bytes_span(&client->scenario->call.text));
}

static void call(client *client) {
  client->busy = false; /* a WebSocket can always send */
  send_frame(client, CWIRE_WS_TEXT, bytes_span(&client->call));
}

static void finish(client *client) {
  static const uint8_t normal[2] = {CWIRE_WS_NORMAL >> 8, CWIRE_WS_NORMAL & 0xff};
  if (client->upgraded)
    send_frame(client, CWIRE_WS_CLOSE, cwire_span_make(normal, sizeof normal));
  else
    connection_close(&client->main);
}

/* ---- The handshake ---- */

static void put_key(bytes *text) {
  uint8_t encoded[32];
  cwire_writer writer = cwire_writer_make(encoded, sizeof encoded);
  cwire_base64_put(&writer, cwire_span_make(nonce, sizeof nonce), CWIRE_BASE64_STANDARD);
  bytes_append(text, cwire_writer_written(&writer));
}

static void opened(connection *connection) {
  client *client = connection->owner;
  const options *options = client->scenario->options;
  const target *target = client->scenario->connector.target;
  bytes request = {0};
  bytes_format(&request,
               "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
               target->path, target->authority);
  put_key(&request);
  bytes_text(&request, "\r\n");
  if (options->protocol != NULL)
    bytes_format(&request, "Sec-WebSocket-Protocol: %s\r\n", options->protocol);
  if (options->compression)
    bytes_text(&request, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover;"
                         " client_no_context_takeover; client_max_window_bits\r\n");
  for (unsigned i = 0; i < options->header_count; i++)
    bytes_format(&request, "%s\r\n", options->headers[i]);
  bytes_text(&request, "\r\n");
  connection_send(connection, bytes_span(&request));
  bytes_free(&request);
}

static fault judge_handshake(const client *client, const cwire_http1_head *head) {
  uint8_t accept[CWIRE_WS_ACCEPT_LENGTH];
  bytes key = {0};
  cwire_ws_deflate agreed;
  if (head->status != 101) return FAULT_STATUS;
  put_key(&key);
  bool fits = cwire_ws_accept(bytes_span(&key), accept) &&
              cwire_span_equal(head->known[CWIRE_FIELD_SEC_WEBSOCKET_ACCEPT],
                               cwire_span_make(accept, sizeof accept));
  bytes_free(&key);
  if (!fits || !cwire_ws_read_agreed(head, &agreed)) return FAULT_FRAMING;
  return agreed.on && !client->scenario->options->compression ? FAULT_FRAMING : FAULT_NONE;
}

static void take_handshake(client *client, cwire_span *input) {
  cwire_span piece;
  switch (exchange_next(&client->main_exchange, input, &piece)) {
  case EXCHANGE_MORE:
    return;
  case EXCHANGE_HEAD: {
    fault fault = judge_handshake(client, exchange_head());
    if (fault != FAULT_NONE) {
      client_fail(client, fault);
      return;
    }
    client->upgraded = true;
    client_connected(client);
    return;
  }
  default:
    client_fail(client, FAULT_FRAMING);
  }
}

/* ---- Receiving ---- */

/* The deflated message that was collected, in `incoming` again as it was before. */
static bool inflate(client *client) {
  enum { LIMIT = 1 << 30 };
  uint8_t buffer[16384];
  bytes plain = {0};
  cwire_span input = bytes_span(&client->incoming);
  cwire_deflate_status status;
  size_t length;
  if (deflate == NULL) deflate = cwire_deflate_make();
  cwire_inflate_begin(deflate, LIMIT);
  do {
    status = cwire_inflate_next(deflate, &input, true, buffer, sizeof buffer, &length);
    bytes_append(&plain, cwire_span_make(buffer, length));
  } while (status == CWIRE_DEFLATE_FULL);
  bytes_free(&client->incoming);
  client->incoming = plain;
  return status == CWIRE_DEFLATE_OK;
}

static void take_data(client *client, const cwire_ws_event *event) {
  if (event->first && event->last && !event->compressed) {
    client_message(client, event->data);
    return;
  }
  if (event->first) bytes_clear(&client->incoming);
  bytes_append(&client->incoming, event->data);
  if (!event->last) return;
  if (event->compressed && !inflate(client))
    client_fail(client, FAULT_FRAMING);
  else
    client_message(client, bytes_span(&client->incoming));
}

static void take_control(client *client, const cwire_ws_event *event) {
  if (event->opcode == CWIRE_WS_PING)
    send_frame(client, CWIRE_WS_PONG, event->data);
  else if (event->opcode == CWIRE_WS_CLOSE)
    client_fail(client, FAULT_CLOSED); /* only closes it when it is being closed anyway */
}

static size_t received(connection *connection, cwire_span bytes) {
  client *client = connection->owner;
  cwire_span rest = bytes;
  if (!client->upgraded) take_handshake(client, &rest);
  cwire_ws_limits limits = {.max_message = UINT64_MAX,
                            .deflate = client->scenario->options->compression};
  while (connection->state == CONNECTION_OPEN && client->upgraded) {
    cwire_ws_event event;
    switch (cwire_ws_next(&client->reader, &limits, CWIRE_WS_SERVER, &rest, &event)) {
    case CWIRE_WS_MORE:
      return bytes.length - rest.length;
    case CWIRE_WS_DATA:
      take_data(client, &event);
      break;
    case CWIRE_WS_CONTROL:
      take_control(client, &event);
      break;
    case CWIRE_WS_FAILED:
      client_fail(client, FAULT_FRAMING);
      break;
    }
  }
  return bytes.length - rest.length;
}

/* A server that has our close frame ends the connection. */
static void ended(connection *connection, fault fault) {
  client_fail(connection->owner, fault);
}

static void closed(connection *connection) {
  client_gone(connection->owner);
}

static const connection_handlers handlers = {
    .opened = opened, .received = received, .ended = ended, .closed = closed};

static void open_connection(client *client) {
  client->main.handlers = &handlers;
  client->main.owner = client;
  connection_open(&client->main, &client->scenario->connector, client->source);
}

/* What a legacy server says without being asked comes on the same connection. */
static void open_stream(client *client) {
  client_listens(client);
}

const transport transport_websocket = {
    .open = open_connection,
    .send = send_message,
    .prepare = prepare,
    .call = call,
    .listen = open_stream,
    .finish = finish,
};
