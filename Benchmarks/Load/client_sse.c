#include "events.h"
#include "request.h"

/* HTTP+SSE of 2024-11-05: an event stream on one connection names where to POST to on another. A
   POST is answered with 202; what answers its message comes on the stream. */

/* ---- The stream ---- */

static void take_stream_event(client *client, cwire_span type, cwire_span data) {
  if (!cwire_span_equal(type, cwire_span_text("endpoint"))) {
    client_message(client, data);
    return;
  }
  /* A path, or a URL on the same server. */
  const uint8_t *path = data.base;
  const uint8_t *scheme = memmem(data.base, data.length, "://", 3);
  if (scheme != NULL) {
    size_t gone = (size_t)(scheme + 3 - data.base);
    path = memchr(scheme + 3, '/', data.length - gone);
  }
  size_t length = path == NULL ? 0 : data.length - (size_t)(path - data.base);
  if (length == 0 || length >= sizeof client->endpoint || client->endpoint[0] != '\0') {
    client_fail(client, FAULT_FRAMING);
    return;
  }
  memcpy(client->endpoint, path, length);
  client->endpoint[length] = '\0';
  connection_open(&client->side, &client->scenario->connector, client->source);
}

static size_t stream_received(connection *connection, cwire_span bytes) {
  client *client = connection->owner;
  cwire_span rest = bytes, piece;
  for (;;) {
    switch (exchange_next(&client->main_exchange, &rest, &piece)) {
    case EXCHANGE_MORE:
      return bytes.length - rest.length;
    case EXCHANGE_HEAD:
      if (exchange_head()->status != 200)
        client_fail(client, FAULT_STATUS);
      else if (!exchange_has_type(exchange_head(), "text/event-stream"))
        client_fail(client, FAULT_FRAMING);
      break;
    case EXCHANGE_BODY:
      events_take(client, piece, take_stream_event);
      break;
    case EXCHANGE_DONE:
      client_fail(client, FAULT_CLOSED);
      break;
    case EXCHANGE_FAILED:
      client_fail(client, FAULT_FRAMING);
      break;
    }
    if (connection->state != CONNECTION_OPEN) return bytes.length;
  }
}

static void stream_opened(connection *connection) {
  client *client = connection->owner;
  bytes request = {0};
  cwire_sse_init(&client->parser);
  request_put_stream(&request, client);
  connection_send(connection, bytes_span(&request));
  bytes_free(&request);
}

/* ---- The POSTs ---- */

static size_t post_received(connection *connection, cwire_span bytes) {
  client *client = connection->owner;
  cwire_span rest = bytes, piece;
  for (;;) {
    switch (exchange_next(&client->side_exchange, &rest, &piece)) {
    case EXCHANGE_MORE:
      return bytes.length - rest.length;
    case EXCHANGE_HEAD:
      if (exchange_head()->status != 202) client_fail(client, FAULT_STATUS);
      break;
    case EXCHANGE_BODY:
      break;
    case EXCHANGE_DONE:
      client->spent = !client->side_exchange.keep_alive;
      client_settle(client);
      break;
    case EXCHANGE_FAILED:
      client_fail(client, FAULT_FRAMING);
      break;
    }
    if (connection->state != CONNECTION_OPEN) return bytes.length;
  }
}

static void post_opened(connection *connection) {
  client_connected(connection->owner);
}

/* ---- Both ---- */

static void ended(connection *connection, fault fault) {
  client_fail(connection->owner, fault);
}

static void closed(connection *connection) {
  client_gone(connection->owner);
}

static const connection_handlers stream_handlers = {
    .opened = stream_opened, .received = stream_received, .ended = ended, .closed = closed};
static const connection_handlers post_handlers = {
    .opened = post_opened, .received = post_received, .ended = ended, .closed = closed};

static void open_connection(client *client) {
  client->main.handlers = &stream_handlers;
  client->side.handlers = &post_handlers;
  client->main.owner = client->side.owner = client;
  client->endpoint[0] = '\0';
  connection_open(&client->main, &client->scenario->connector, client->source);
}

static void send_message(client *client, const message *message) {
  bytes request = {0};
  request_put_head(&request, client, "POST", client->endpoint, message->method, message->name,
                   message->body.length);
  bytes_append(&request, bytes_span(&message->body));
  connection_send(&client->side, bytes_span(&request));
  bytes_free(&request);
}

static void prepare(client *client) {
  request_prepare_call(client, client->endpoint);
}

static void call(client *client) {
  connection_send(&client->side, bytes_span(&client->call));
}

/* The stream is open from the start. */
static void open_stream(client *client) {
  client_listens(client);
}

static void finish(client *client) {
  connection_close(&client->side);
  connection_close(&client->main);
}

const transport transport_sse = {
    .open = open_connection,
    .send = send_message,
    .prepare = prepare,
    .call = call,
    .listen = open_stream,
    .finish = finish,
};
