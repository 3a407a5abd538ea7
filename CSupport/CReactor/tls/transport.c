#include "tls/transport.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/layer.h"

/* From the transport below up: the handshake, and what is decrypted. */

enum {
  /* What a peer may have OpenSSL do beside its data: so often, and once more with each of so many
     bytes that travel either way. Honest peers change keys after gigabytes. */
  ERRANDS = 64,
  BYTES_PER_ERRAND = 64 * 1024,
};

/* Told of what OpenSSL does beside the data. What a peer brings about after the handshake counts:
 * each message of TLS 1.3 that was handled, and each answer of ours to one; each handshake of TLS
 * 1.2 that was refused. */
static void step_taken(const SSL *ssl, int where, int value) {
  BIO *bio = SSL_get_rbio(ssl);
  cr_tls *tls = cr_tls_of(BIO_get_data(bio));
  bool handled = (where == SSL_CB_ACCEPT_EXIT || where == SSL_CB_CONNECT_EXIT) && value == 1;
  bool refused = where == SSL_CB_WRITE_ALERT && (value & 0xff) == SSL_AD_NO_RENEGOTIATION;
  if (tls->stage != CR_TLS_OPEN || (!handled && !refused)) return;
  uint64_t travelled = BIO_number_read(bio) + BIO_number_written(bio);
  if (++tls->errands <= ERRANDS + travelled / BYTES_PER_ERRAND) return;
  tls->restless = true;
  tls->incoming = cwire_span_make(NULL, 0); /* so that OpenSSL comes back */
}

/* ---- Reading ---- */

static void shake_hands(cr_connection *connection) {
  cr_tls *tls = cr_tls_of(connection);
  ERR_clear_error();
  int result = SSL_do_handshake(tls->ssl);
  bool more = result != 1 && SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ;
  cr_error error = result == 1 || more ? CR_OK : cr_tls_error(tls);
  /* An alert that tells the peer what is wrong goes out too. */
  cr_tls_flush_remarks(connection);
  if (cr_is_closing(connection) || more) return;
  if (cr_failed(error)) {
    tls->stage = CR_TLS_ENDED;
    cr_connection_close(connection, error);
    return;
  }
  tls->stage = CR_TLS_OPEN;
  connection->reading = tls->wanted;
  cr_connection_connected(connection, 0);
}

static void tls_connected(cr_connection *connection, int status) {
  cr_tls *tls = cr_tls_of(connection);
  if (status >= 0) status = cr_tls_read_start(connection);
  if (status < 0)
    cr_connection_connected(connection, status);
  else if (tls->stage == CR_TLS_HANDSHAKE)
    shake_hands(connection);
}

static bool prepare(cr_connection *connection) {
  cr_tls *tls = cr_tls_of(connection);
  tls->ssl = SSL_new(tls->context->ssl);
  BIO *bio = BIO_new(tls->context->bio);
  if (tls->ssl == NULL || bio == NULL) {
    BIO_free(bio);
    return false;
  }
  BIO_set_data(bio, connection);
  SSL_set_bio(tls->ssl, bio, bio); /* takes the one reference for both directions */
  SSL_set_info_callback(tls->ssl, step_taken);
  tls->stage = CR_TLS_HANDSHAKE;
  return true;
}

/* A client that speaks HTTP without TLS is told so in its own words. */
static void refuse_plain(cr_connection *connection, bool http) {
  static const char answer[] =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 34\r\n"
      "Connection: close\r\n\r\nThis port speaks HTTPS, not HTTP.\n";
  cr_tls *tls = cr_tls_of(connection);
  tls->stage = CR_TLS_ENDED;
  if (http) {
    uv_buf_t piece = {.base = (char *)(uintptr_t)answer, .len = sizeof answer - 1};
    (void)tls->below->try_write(connection, &piece, 1);
  }
  cr_connection_close(connection, cr_error_uv(UV_EPROTO));
}

/* The first bytes of a client that was accepted: a record of the handshake begins with 22, a
 * request of HTTP with a letter. */
static void first_bytes(cr_connection *connection, uint8_t first) {
  enum { HANDSHAKE_RECORD = 22 };
  if (first != HANDSHAKE_RECORD) {
    refuse_plain(connection, (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z'));
  } else if (prepare(connection)) {
    SSL_set_accept_state(cr_tls_of(connection)->ssl);
  } else {
    cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
  }
}

static void deliver(cr_connection *connection, uint8_t *plain, size_t length) {
  if (length > 0 && !cr_is_closing(connection)) {
    cr_connection_received(connection, plain, (ssize_t)length);
  }
}

/* Decrypts all that came; records are delivered together as far as the room goes. */
static void decrypt(cr_connection *connection) {
  cr_tls *tls = cr_tls_of(connection);
  uint8_t plain[CR_TLS_RECORD];
  size_t filled = 0;
  ERR_clear_error();
  while (!cr_is_closing(connection) && tls->stage == CR_TLS_OPEN) {
    /* Asking again for what can't be there would cost as much as the answer to a small message. */
    if (tls->incoming.length == 0 && !SSL_has_pending(tls->ssl)) break;
    size_t got = 0;
    int result = SSL_read_ex(tls->ssl, plain + filled, sizeof plain - filled, &got);
    if (tls->restless) {
      atomic_fetch_add_explicit(&connection->loop->restless, 1, memory_order_relaxed);
      cr_connection_close(connection, cr_error_reason(CR_REASON_RESTLESS));
      return;
    }
    if (result == 1) {
      filled += got;
      if (filled < sizeof plain) continue;
      deliver(connection, plain, filled);
      filled = 0;
      ERR_clear_error();
      continue;
    }
    int reason = SSL_get_error(tls->ssl, result);
    cr_error error = cr_tls_error(tls);
    deliver(connection, plain, filled);
    if (cr_is_closing(connection) || reason == SSL_ERROR_WANT_READ) return;
    if (reason == SSL_ERROR_ZERO_RETURN) {
      cr_connection_received(connection, NULL, UV_EOF);
    } else {
      tls->stage = CR_TLS_ENDED;
      cr_connection_close(connection, error);
    }
    return;
  }
  deliver(connection, plain, filled);
}

static void tls_received(cr_connection *connection, uint8_t *bytes, ssize_t count) {
  cr_tls *tls = cr_tls_of(connection);
  if (cr_is_closing(connection)) return;
  if (count < 0) {
    /* An end that nobody signed may be a cut by somebody in between (RFC 8446 section 6.1). */
    bool signed_end = tls->ssl != NULL && (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
    if (count != UV_EOF || signed_end)
      cr_connection_received(connection, NULL, count);
    else
      cr_connection_cut_off(connection);
    return;
  }
  if (tls->stage == CR_TLS_AWAITED) first_bytes(connection, bytes[0]);
  tls->incoming = cwire_span_make(bytes, (size_t)count);
  if (tls->stage == CR_TLS_HANDSHAKE && !cr_is_closing(connection)) shake_hands(connection);
  if (tls->stage == CR_TLS_OPEN) decrypt(connection);
  tls->incoming = cwire_span_make(NULL, 0);
  if (!cr_is_closing(connection)) cr_tls_flush_remarks(connection);
}

static uint64_t tls_taken(cr_connection *connection) {
  const cr_transport *below = cr_tls_of(connection)->below;
  return below->taken == NULL ? connection->queue->consumed : below->taken(connection);
}

/* The transport below tells everything through this one, and may end the connection. */
static void tls_run(cr_connection *connection) {
  const cr_transport *below = cr_tls_of(connection)->below;
  if (below->run != NULL) below->run(connection);
}

static bool tls_unread(cr_connection *connection) {
  const cr_transport *below = cr_tls_of(connection)->below;
  return below->unread != NULL && below->unread(connection);
}

static const cr_transport transport = {
    .try_write = cr_tls_try_write,
    .write = cr_tls_write,
    .read_start = cr_tls_read_start,
    .read_stop = cr_tls_read_stop,
    .part = cr_tls_part,
    .shutdown = cr_tls_shutdown,
    .close = cr_tls_close,
    .taken = tls_taken,
    .unread = tls_unread,
    .run = tls_run,
    .connected = tls_connected,
    .received = tls_received,
    .wrote = cr_tls_wrote,
};

/* ---- Life ---- */

static cr_tls *attach(cr_connection *connection, const cr_transport *below,
                      cr_tls_context *context) {
  cr_tls *tls = calloc(1, sizeof *tls);
  if (tls == NULL) return NULL;
  tls->below = below;
  tls->context = cr_tls_context_retain(context);
  connection->tls = tls;
  connection->transport = &transport;
  return tls;
}

/* A session belongs to the host that its certificate was checked against, and to the place that
 * gave it: at another address of the same name may be another process. */
static bool offer_session(cr_tls *tls, const char *host, const char *place, uint16_t port) {
  if (tls->context->sessions == NULL) return true;
  size_t capacity = strlen(host) + strlen(place) + sizeof "@:65535";
  tls->server = malloc(capacity);
  if (tls->server == NULL) return false;
  snprintf(tls->server, capacity, "%s@%s:%u", host, place, port);
  cr_tls_sessions_use(tls->context->sessions, tls->ssl, tls->server);
  return true;
}

bool cr_tls_attach_client(cr_connection *connection, const cr_transport *below,
                          cr_tls_context *context, const char *host, const char *place,
                          uint16_t port) {
  const cr_transport *before = connection->transport;
  cr_tls *tls = attach(connection, below, context);
  if (tls == NULL) return false;
  if (prepare(connection) && cr_tls_expect_host(tls->ssl, host) &&
      offer_session(tls, host, place, port)) {
    SSL_set_connect_state(tls->ssl);
    return true;
  }
  cr_tls_detach(connection);
  connection->transport = before;
  return false;
}

bool cr_tls_attach_server(cr_connection *connection, const cr_transport *below,
                          cr_tls_context *context) {
  return attach(connection, below, context) != NULL;
}

void cr_tls_detach(cr_connection *connection) {
  cr_tls *tls = cr_tls_of(connection);
  if (tls == NULL) return;
  cr_tls_drop_written(connection);
  SSL_free(tls->ssl);
  cr_tls_context_free(tls->context);
  connection->tls = NULL;
  free(tls->server);
  free(tls);
}
