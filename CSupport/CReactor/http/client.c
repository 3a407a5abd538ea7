#include "http/client.h"

#include <cwire/http1.h>
#include <cwire/http1_body.h>
#include <stdlib.h>
#include <string.h>

#include "connection/transport_memory.h"
#include "connection/transport_plain.h"
#include "connector/connector.h"
#include "tls/tls.h"
#include "tls/transport.h"

/* Client connections: one request at a time, its answer handed on straight from the read buffer.
 * A request for another protocol is the only one, and its answer the end of this one. */

/* QUIET_MS: a connection that was silent for this long may have been closed in this very turn. */
enum { MAX_INTERIM = 16, BATCH = 16, QUIET_MS = 500 };

typedef struct client {
  cr_tls_context *tls;
  cr_upgrade *upgrade; /* the request asks for another protocol; else NULL */
  cwire_http1_body body;
  size_t seen; /* bytes of an incomplete head that were searched for its end */
  uint16_t port;
  uint8_t interim;  /* 1xx answers to this request */
  bool begun;       /* to connect */
  bool outstanding; /* a request was sent, its answer is not complete */
  bool in_body;
  bool to_head;
  bool keep_alive;
  bool done;         /* the last answer ended what this connection can carry */
  const char *place; /* where to connect: the host, or the address that was given for it */
  char host[];
} client;

static const cr_protocol protocol;

static client *client_of(cr_connection *connection) {
  return connection->state;
}

static void client_free(client *client) {
  cr_tls_context_free(client->tls);
  free(client->upgrade);
  free(client);
}

/* ---- Connecting ---- */

static void begin(cr_connection *connection) {
  client *client = client_of(connection);
  bool in_memory = cr_memory_connect(connection, client->place);
  const cr_transport *below = in_memory ? &cr_transport_memory : &cr_transport_plain;
  if (client->tls != NULL && !cr_tls_attach_client(connection, below, client->tls, client->host,
                                                   client->place, client->port)) {
    cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
  } else if (!in_memory) {
    cr_connector_start(connection, client->place, client->port);
  }
}

static void on_connected(cr_connection *connection) {
  /* A handshake is part of connecting. */
  if (!client_of(connection)->upgrade) cr_connection_set_timer(connection, 0);
}

static void on_timer(cr_connection *connection) {
  cr_connection_close(connection, cr_error_reason(CR_REASON_TIMED_OUT));
}

/* ---- Answers ---- */

static void give_up(cr_connection *connection, int code) {
  cr_connection_close(connection, (cr_error){CR_DOMAIN_HTTP, code});
}

static void deliver(cr_connection *connection, cwire_span piece, bool last, bool reusable) {
  cr_loop *loop = connection->loop;
  cr_loop_event(loop);
  loop->handlers.response_body(loop->context, cr_connection_id(connection), connection->tag, piece,
                               last, reusable);
}

static void finish(cr_connection *connection, cwire_span piece, bool reusable) {
  client *client = client_of(connection);
  /* A server that answered before it had read everything would read the rest as a request. */
  reusable = reusable && client->keep_alive && cr_connection_queued(connection) == 0;
  client->outstanding = false;
  client->in_body = false;
  client->done = !reusable;
  deliver(connection, piece, true, reusable);
  if (!reusable) cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
}

/* The answer to a request for another protocol: from now on the connection speaks that, or it ends.
 */
static void upgraded(cr_connection *connection, const cwire_http1_head *head) {
  client *client = client_of(connection);
  cr_upgrade *upgrade = client->upgrade;
  cr_error refusal = upgrade->answered(upgrade, head);
  if (cr_failed(refusal)) {
    cr_connection_close(connection, refusal);
    return;
  }
  client->upgrade = NULL;
  client_free(client);
  upgrade->begin(connection, upgrade, head);
}

/* Moves `rest` past a head. False while its end has not come, or when the connection is done for.
 */
static bool read_head(cr_connection *connection, cwire_span *rest) {
  client *client = client_of(connection);
  cr_loop *loop = connection->loop;
  cwire_http1_head *head = &loop->head;
  cwire_http1_limits limits = loop->answer_limits;
  ptrdiff_t used = cwire_http1_parse_response(head, &limits, *rest, client->seen, client->to_head);
  if (used == 0) {
    client->seen = rest->length;
    return false;
  }
  if (used < 0) {
    give_up(connection, (int)used);
    return false;
  }
  client->seen = 0;
  cwire_span after = cwire_span_drop(*rest, (size_t)used);
  if (client->upgrade && (head->status == 101 || head->status >= 200)) {
    *rest = after;
    upgraded(connection, head);
    return false;
  }
  if (head->status < 200) {
    *rest = after;
    /* Nobody asked to switch protocols. */
    if (head->status != 101 && ++client->interim <= MAX_INTERIM) return true;
    give_up(connection, CWIRE_HTTP1_BAD_STATUS_LINE);
    return false;
  }
  client->keep_alive = head->keep_alive;
  int status = cwire_http1_body_start(&client->body, head, UINT64_MAX);
  if (status < 0) {
    give_up(connection, status);
    return false;
  }
  client->in_body = true;
  cr_loop_event(loop);
  loop->handlers.response(loop->context, cr_connection_id(connection), connection->tag, head);
  *rest = after;
  if (cr_is_closing(connection)) return false;
  if (status == CWIRE_OK) finish(connection, cwire_span_make(NULL, 0), after.length == 0);
  return true;
}

/* Hands on what `rest` holds of the body. Each piece is held back until it is known whether it is
 * the last, so that a chunked answer that came whole is told in one call. */
static void read_body(cr_connection *connection, cwire_span *rest) {
  client *client = client_of(connection);
  cwire_span held = cwire_span_make(NULL, 0);
  int status = CWIRE_MORE;
  while (status == CWIRE_MORE && rest->length > 0) {
    cwire_http1_body body_before = client->body;
    cwire_span rest_before = *rest, piece;
    status = cwire_http1_body_next(&client->body, rest, &piece);
    if (piece.length == 0 || status < 0) continue;
    if (held.length > 0) {
      deliver(connection, held, false, false);
      if (cr_is_closing(connection)) return;
      if (connection->paused) {
        client->body = body_before;
        *rest = rest_before;
        return;
      }
    }
    held = piece;
  }
  if (status == CWIRE_OK) {
    finish(connection, held, rest->length == 0);
    return;
  }
  if (held.length > 0) deliver(connection, held, false, false);
  if (status < 0 && !cr_is_closing(connection)) give_up(connection, status);
}

static size_t on_read(cr_connection *connection, cwire_span bytes) {
  client *client = client_of(connection);
  cwire_span rest = bytes;
  while (rest.length > 0 && !cr_is_closing(connection) && !connection->paused) {
    if (!client->outstanding) {
      give_up(connection, CWIRE_HTTP1_BAD_STATUS_LINE); /* an answer to nothing */
    } else if (client->in_body) {
      read_body(connection, &rest);
    } else if (!read_head(connection, &rest)) {
      break;
    }
  }
  if (cr_is_closing(connection)) return bytes.length;
  size_t used = bytes.length - rest.length;
  if (connection->protocol != &protocol && rest.length > 0)
    used += connection->protocol->read(connection, rest);
  return used;
}

static void on_eof(cr_connection *connection) {
  client *client = client_of(connection);
  cr_connection_read_kept(connection);
  if (connection->protocol != &protocol) return;               /* it takes care of the end itself */
  if (cr_is_closing(connection) || connection->paused) return; /* `run` comes back to it */
  if (client->in_body && cwire_http1_body_end(&client->body) == CWIRE_OK) {
    finish(connection, cwire_span_make(NULL, 0), false);
  } else if (client->in_body) {
    give_up(connection, CWIRE_HTTP1_TRUNCATED);
  } else {
    cr_connection_close(connection, cr_error_reason(CR_REASON_PEER_CLOSED));
  }
}

/* The first turn of a connection, and the end of a pause. */
static void on_run(cr_connection *connection) {
  client *client = client_of(connection);
  if (!client->begun) {
    client->begun = true;
    begin(connection);
  } else if (cr_has_ended(connection)) {
    on_eof(connection);
  } else {
    cr_connection_read_kept(connection);
  }
}

static void on_drained(cr_connection *connection) {
  cr_loop *loop = connection->loop;
  cr_loop_event(loop);
  loop->handlers.drained(loop->context, cr_connection_id(connection), connection->tag);
}

static void on_end(cr_connection *connection, bool abort) {
  if (!abort && cr_is_connected(connection))
    cr_connection_close_flushed(connection);
  else
    cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
}

static void on_closed(cr_connection *connection, cr_error error) {
  client *client = client_of(connection);
  cr_loop *loop = connection->loop;
  connection->state = NULL;
  /* Closed by policy, or after an answer that said so: nobody waits to hear of it. */
  bool expected = error.domain == CR_DOMAIN_REACTOR && error.code == CR_REASON_LOCAL;
  /* A server that has begun to answer has read the request. */
  bool answering =
      client->outstanding && !client->upgrade && (client->seen > 0 || client->interim > 0);
  if (answering && error.domain != CR_DOMAIN_HTTP)
    error = (cr_error){CR_DOMAIN_HTTP, CWIRE_HTTP1_TRUNCATED};
  if (!expected) {
    cr_loop_event(loop);
    loop->handlers.upstream_closed(loop->context, cr_connection_id(connection), connection->tag,
                                   error, client->outstanding && connection->sent);
  }
  cr_loop_event(loop);
  loop->handlers.upstream_gone(loop->context, cr_connection_id(connection));
  cr_tls_detach(connection);
  client_free(client);
}

static const cr_protocol protocol = {
    .connected = on_connected,
    .read = on_read,
    .eof = on_eof,
    .drained = on_drained,
    .timer = on_timer,
    .run = on_run,
    .end = on_end,
    .closed = on_closed,
};

/* ---- For policy ---- */

/* An IPv6 address without the brackets that it has in a URL. */
static cwire_span bare_host(const char *text) {
  cwire_span host = cwire_span_text(text);
  bool bracketed = host.length > 2 && host.base[0] == '[' && host.base[host.length - 1] == ']';
  return bracketed ? cwire_span_make(host.base + 1, host.length - 2) : host;
}

cr_id cr_http_connect(cr_loop *loop, const cr_endpoint *endpoint, uint64_t tag) {
  return cr_http_connect_for(loop, endpoint, tag, NULL);
}

cr_id cr_http_connect_for(cr_loop *loop, const cr_endpoint *endpoint, uint64_t tag,
                          cr_upgrade *upgrade) {
  cwire_span host = bare_host(endpoint->host);
  size_t more = endpoint->address == NULL ? 0 : strlen(endpoint->address) + 1;
  client *client = calloc(1, sizeof *client + host.length + 1 + more);
  if (client == NULL) return 0;
  cr_connection *connection = cr_connection_take(loop, CR_KIND_UPSTREAM, &protocol);
  if (connection == NULL) {
    free(client);
    return 0;
  }
  memcpy(client->host, host.base, host.length);
  client->place = client->host;
  if (more > 0) client->place = memcpy(client->host + host.length + 1, endpoint->address, more);
  client->port = endpoint->port;
  client->upgrade = upgrade;
  client->tls = endpoint->tls == NULL ? NULL : cr_tls_context_retain(endpoint->tls);
  connection->state = client;
  connection->tag = tag;
  if (endpoint->connect_timeout > 0) {
    cr_connection_set_timer(connection, cr_loop_now(loop) + endpoint->connect_timeout);
  }
  /* Later in this turn: what fails at once must not be told before the caller knows the id. */
  cr_connection_defer(connection);
  return cr_connection_id(connection);
}

/* A server that ends idle connections may have done so since the loop last looked: a request that
 * is sent into that end is lost, and nobody can tell whether it was served. One more system call,
 * and only after a pause. */
static bool ended_while_idle(cr_connection *connection) {
  uint32_t quiet = (uint32_t)cr_loop_time(connection->loop) - connection->last_activity;
  return cr_is_connected(connection) && quiet >= QUIET_MS &&
         connection->transport->unread != NULL && connection->transport->unread(connection);
}

cr_write cr_http_send(cr_loop *loop, cr_id id, const cwire_span *pieces, size_t count,
                      bool head_method) {
  cr_connection *connection = cr_connection_find(loop, id);
  if (connection == NULL || connection->protocol != &protocol) return CR_WRITE_STALE;
  client *client = client_of(connection);
  if (client->outstanding || client->done) return CR_WRITE_STALE;
  if (ended_while_idle(connection)) return CR_WRITE_STALE;
  client->outstanding = true;
  client->to_head = head_method;
  connection->sent = 0;
  client->interim = 0;
  client->seen = 0;

  cr_write result = CR_WRITE_OK;
  while (count > 0) {
    cr_piece batch[BATCH];
    size_t taken = count < BATCH ? count : BATCH;
    for (size_t i = 0; i < taken; i++)
      batch[i] = cr_piece_span(pieces[i]);
    result = cr_connection_write(connection, batch, taken);
    if (result == CR_WRITE_STALE) break;
    pieces += taken;
    count -= taken;
  }
  return result;
}
