#include "client.h"

#include <cwire/jsonrpc.h>

static cwire_jsonrpc_envelope envelope;

static const char event_mark[] = "event-";

/* ---- Opening ---- */

static void set_deadline(client *client) {
  client->deadline = uv_hrtime() + client->scenario->options->timeout;
}

static void send_message(client *client, message message) {
  client->answer_due = message.answered;
  client->busy = true;
  client->transport->send(client, &message);
  message_free(&message);
}

static void done(client *client) {
  client->step = STEP_DONE;
  client->state = CLIENT_READY;
  client->deadline = 0;
  client->scenario->events->opened(client);
}

static void listen_modern(client *client) {
  client->listening = true;
  send_message(client, message_listen(client->number, client->scenario->options->topic));
}

/* Goes on with the step, or with the next one that this client has to take. */
static void take_step(client *client) {
  const char *topic = client->scenario->options->topic;
  era era = client->scenario->era;
  client->number = ++client->scenario->number;
  switch (client->step) {
  case STEP_INITIALIZE:
    if (era == ERA_LEGACY && client->goal > HOLD_CONNECT) {
      send_message(client, message_initialize(client->number));
      return;
    }
    break;
  case STEP_INITIALIZED:
    if (era == ERA_LEGACY && client->goal > HOLD_CONNECT) {
      send_message(client, message_initialized());
      return;
    }
    break;
  case STEP_SUBSCRIBE:
    if (era == ERA_LEGACY && client->goal == HOLD_LISTEN &&
        client->scenario->options->mode == MODE_FANOUT) {
      send_message(client, message_subscribe(client->number, topic));
      return;
    }
    break;
  case STEP_LISTEN:
    if (client->goal == HOLD_LISTEN) {
      if (era == ERA_MODERN)
        listen_modern(client);
      else
        client->transport->listen(client);
      return;
    }
    break;
  case STEP_CONNECT:
  case STEP_DONE:
    done(client);
    return;
  }
  client->step++;
  take_step(client);
}

void client_open(client *client) {
  client->state = CLIENT_OPENING;
  client->step = STEP_CONNECT;
  client->answer_due = client->busy = client->listening = client->upgraded = false;
  client->events = client->spent = false;
  client->outcome = FAULT_NONE;
  client->calls = 0;
  client->session[0] = '\0';
  client->main_exchange = client->side_exchange = (exchange){0};
  client->reader = (cwire_ws_reader){0};
  bytes_clear(&client->incoming);
  bytes_free(&client->call);
  set_deadline(client);
  client->transport->open(client);
}

void client_connected(client *client) {
  if (client->state != CLIENT_OPENING) return;
  client->step = STEP_INITIALIZE;
  take_step(client);
}

void client_listens(client *client) {
  if (client->state != CLIENT_OPENING || client->step != STEP_LISTEN) return;
  client->listening = true;
  done(client);
}

/* ---- Calls ---- */

void client_call(client *client, uint64_t due) {
  scenario *scenario = client->scenario;
  if (client->call.length == 0) client->transport->prepare(client);
  client->state = CLIENT_CALLING;
  client->number = ++scenario->number;
  client->due = due;
  client->calls++;
  client->answer_due = client->busy = true;
  client->outcome = FAULT_NONE;
  set_deadline(client);
  template_fill(&scenario->call, client->call.base + client->call_body, client->number);
  client->transport->call(client);
}

/* Whether the message has what it must, which `expect` says with this call's number. */
static bool has_content(client *client, cwire_span message) {
  scenario *scenario = client->scenario;
  if (scenario->expect_same) {
    cwire_span sent = cwire_span_drop(bytes_span(&client->call), client->call_body);
    return cwire_span_equal(message, sent);
  }
  bytes *wanted = &scenario->expect.text;
  if (wanted->length == 0) return true;
  template_fill(&scenario->expect, wanted->base, client->number);
  return memmem(message.base, message.length, wanted->base, wanted->length) != NULL;
}

static bool is_tool_error(void) {
  cwire_span value = cwire_jsonrpc_result(&envelope, CWIRE_MCP_RESULT_IS_ERROR).value;
  return cwire_span_equal(value, cwire_span_text("true"));
}

static bool has_own_id(const client *client) {
  uint64_t id;
  return cwire_span_to_u64(envelope.id, &id) && id == client->number;
}

static fault judge_response(client *client, cwire_span message) {
  if (!has_own_id(client)) return FAULT_ID;
  if (envelope.kind == CWIRE_JSONRPC_ERROR || is_tool_error()) return FAULT_ERROR;
  return client->state != CLIENT_CALLING || has_content(client, message) ? FAULT_NONE
                                                                         : FAULT_CONTENT;
}

/* ---- What comes ---- */

static void take_event(client *client, cwire_span message) {
  const uint8_t *mark = memmem(message.base, message.length, event_mark, sizeof event_mark - 1);
  size_t needed = sizeof event_mark - 1 + TEMPLATE_DIGITS;
  uint64_t number = 0;
  if (mark != NULL && (size_t)(message.base + message.length - mark) >= needed)
    number = template_number(mark + sizeof event_mark - 1);
  client->scenario->events->event(client, number);
}

/* The message sent last has its answer. */
static void answered(client *client, fault fault) {
  client->answer_due = false;
  if (client->state == CLIENT_CALLING) {
    client->outcome = fault;
  } else if (fault != FAULT_NONE) {
    client_fail(client, fault);
    return;
  }
  if (!client->busy) client_settle(client);
}

static void take_mcp(client *client, cwire_span message) {
  if (cwire_jsonrpc_scan(&envelope, message, CWIRE_JSON_DEPTH) != CWIRE_JSONRPC_OK) {
    if (client->answer_due)
      answered(client, FAULT_JSON);
    else
      client_fail(client, FAULT_JSON);
    return;
  }
  switch (envelope.kind) {
  case CWIRE_JSONRPC_RESULT:
  case CWIRE_JSONRPC_ERROR:
    if (client->answer_due)
      answered(client, judge_response(client, message));
    else
      client_fail(client, client->listening ? FAULT_CLOSED : FAULT_ID);
    return;
  case CWIRE_JSONRPC_NOTIFICATION:
    if (envelope.method_code == CWIRE_MCP_NOTIFY_SUBSCRIPTIONS_ACKNOWLEDGED)
      client_listens(client);
    else if (client->listening)
      take_event(client, message);
    return;
  default: /* a server's own requests are none of a load's business */
    return;
  }
}

void client_message(client *client, cwire_span message) {
  if (client->state == CLIENT_CLOSING || client->state == CLIENT_CLOSED) return;
  if (client->scenario->era != ERA_NONE)
    take_mcp(client, message);
  else if (client->listening)
    take_event(client, message);
  else if (client->answer_due)
    answered(client, has_content(client, message) ? FAULT_NONE : FAULT_CONTENT);
  else
    client_fail(client, FAULT_ID);
}

void client_settle(client *client) {
  client->busy = false;
  if (client->answer_due) return;
  if (client->state == CLIENT_CALLING) {
    client->state = CLIENT_READY;
    client->deadline = 0;
    client->scenario->events->answered(client, client->outcome);
  } else if (client->state == CLIENT_OPENING && client->step != STEP_LISTEN) {
    client->step++;
    take_step(client);
  }
}

void client_answer_status(client *client, int status) {
  if (status == 200 || (status == 202 && !client->answer_due)) return;
  if (client->scenario->era == ERA_NONE && status / 100 == 2) return;
  client_fail(client, FAULT_STATUS);
}

/* ---- Ending ---- */

static void close_connections(client *client) {
  connection_close(&client->main);
  if (client->transport == &transport_sse) connection_close(&client->side);
}

void client_fail(client *client, fault fault) {
  if (client->state == CLIENT_CLOSED) return;
  if (client->state == CLIENT_CLOSING) {
    close_connections(client);
    return;
  }
  client->state = CLIENT_CLOSING;
  client->scenario->events->lost(client, fault);
  close_connections(client);
}

void client_gone(client *client) {
  if (client->main.state != CONNECTION_CLOSED || client->side.state != CONNECTION_CLOSED) return;
  if (client->state == CLIENT_CLOSED) return;
  client->state = CLIENT_CLOSED;
  client->deadline = 0;
  client->scenario->events->closed(client);
}

void client_close(client *client) {
  if (client->state == CLIENT_CLOSING || client->state == CLIENT_CLOSED) return;
  bool in_order = client->state == CLIENT_READY;
  client->state = CLIENT_CLOSING;
  set_deadline(client);
  if (in_order)
    client->transport->finish(client);
  else
    close_connections(client);
}

void client_check(client *client, uint64_t now) {
  if (client->deadline == 0 || now < client->deadline) return;
  client->deadline = 0;
  client_fail(client, client->step == STEP_CONNECT ? FAULT_CONNECT : FAULT_TIMEOUT);
}
