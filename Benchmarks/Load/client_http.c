#include "events.h"
#include "request.h"

/* Streamable HTTP: every message is a POST; its answer is a body of JSON or an event stream. */

static void take_answer_head(client *client) {
  const cwire_http1_head *head = exchange_head();
  client->events = exchange_has_type(head, "text/event-stream");
  bytes_clear(&client->incoming);
  if (client->events) cwire_sse_init(&client->parser);
  cwire_span session = head->known[CWIRE_FIELD_MCP_SESSION_ID];
  if (client->step == STEP_INITIALIZE && session.length > 0 &&
      session.length < sizeof client->session) {
    memcpy(client->session, session.base, session.length);
    client->session[session.length] = '\0';
  }
  if (client->state == CLIENT_CLOSING) return;
  client_answer_status(client, head->status);
  if (client->state == CLIENT_OPENING && client->step == STEP_LISTEN && !client->events)
    client_fail(client, FAULT_FRAMING);
  else if (client->step == STEP_LISTEN && client->scenario->era != ERA_MODERN)
    client_listens(client);
}

static void take_event(client *client, cwire_span type, cwire_span data) {
  (void)type;
  client_message(client, data);
}

static void take_piece(client *client, cwire_span piece, bool last) {
  if (client->events) {
    events_take(client, piece, take_event);
  } else if (last && client->incoming.length == 0) {
    if (client->answer_due) client_message(client, piece);
  } else {
    bytes_append(&client->incoming, piece);
    if (last && client->answer_due) client_message(client, bytes_span(&client->incoming));
  }
}

/* The answer is complete. Without the message that was due it is no answer. */
static void take_end(client *client) {
  if (client->state == CLIENT_CLOSING) {
    connection_close(&client->main);
  } else if (client->answer_due || client->listening) {
    client_fail(client, FAULT_CLOSED);
  } else {
    client->spent = !client->main_exchange.keep_alive;
    client_settle(client);
  }
}

static size_t received(connection *connection, cwire_span bytes) {
  client *client = connection->owner;
  cwire_span rest = bytes, piece;
  for (;;) {
    switch (exchange_next(&client->main_exchange, &rest, &piece)) {
    case EXCHANGE_MORE:
      return bytes.length - rest.length;
    case EXCHANGE_HEAD:
      take_answer_head(client);
      break;
    case EXCHANGE_BODY:
      take_piece(client, piece, false);
      break;
    case EXCHANGE_DONE:
      take_piece(client, piece, true);
      take_end(client);
      break;
    case EXCHANGE_FAILED:
      client_fail(client, FAULT_FRAMING);
      break;
    }
    if (connection->state != CONNECTION_OPEN) return bytes.length;
  }
}

static void opened(connection *connection) {
  client_connected(connection->owner);
}

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

static void send_message(client *client, const message *message) {
  bytes request = {0};
  request_put_head(&request, client, "POST", client->scenario->connector.target->path,
                   message->method, message->name, message->body.length);
  bytes_append(&request, bytes_span(&message->body));
  connection_send(&client->main, bytes_span(&request));
  bytes_free(&request);
}

static void prepare(client *client) {
  request_prepare_call(client, client->scenario->connector.target->path);
}

static void call(client *client) {
  connection_send(&client->main, bytes_span(&client->call));
}

static void open_stream(client *client) {
  bytes request = {0};
  request_put_stream(&request, client);
  connection_send(&client->main, bytes_span(&request));
  bytes_free(&request);
}

/* A session is ended by DELETE, unless the connection carries its stream. */
static void finish(client *client) {
  if (client->session[0] == '\0' || client->listening) {
    connection_close(&client->main);
    return;
  }
  bytes request = {0};
  request_put_head(&request, client, "DELETE", client->scenario->connector.target->path, "", NULL,
                   SIZE_MAX);
  connection_send(&client->main, bytes_span(&request));
  bytes_free(&request);
}

const transport transport_http = {
    .open = open_connection,
    .send = send_message,
    .prepare = prepare,
    .call = call,
    .listen = open_stream,
    .finish = finish,
};
