#include "transport_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop_private.h"
#include "tls.h"

/* TLS as a transport over another. OpenSSL never sees a descriptor: its BIO reads from the span
 * that the transport below has just delivered and appends to a pooled buffer that is written below.
 * While a connection idles neither exists.
 *
 * Reading uses up every span at once, so nothing encrypted is ever kept here: while policy pauses,
 * the connection keeps the plain bytes. Writing below is one `write` at a time; as long as one is
 * under way, `try_write` takes nothing and the connection queues plain bytes. */

enum { RECORD = 16 * 1024, BATCH = 64 * 1024 };

typedef enum stage { STAGE_HANDSHAKE, STAGE_OPEN, STAGE_ENDED } stage;

typedef struct cr_tls {
  SSL *ssl;
  cr_tls_context *context;
  const cr_transport *below;
  cwire_span incoming; /* what the BIO has still to read of the span being handled */
  cr_buffer *outgoing; /* encrypted, not yet taken below */
  uv_write_t request;  /* of the write below */
  uint8_t stage;
  bool out_of_memory;
  bool writing_below;
  bool reading;       /* the transport below was told to */
  bool shutting;      /* end the sending side when `outgoing` is gone */
  bool writing_above; /* the connection waits for `wrote` of `pieces` */
  unsigned count;
  size_t skip; /* bytes of pieces[0 … count) that are encrypted */
  uv_buf_t pieces[CR_GATHER];
} cr_tls;

static cr_tls *tls_of(cr_connection *connection) {
  return connection->tls;
}

/* ---- The BIO ---- */

static int bio_read(BIO *bio, char *out, size_t capacity, size_t *taken) {
  cr_tls *tls = tls_of(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  cwire_span part = cwire_span_take(tls->incoming, capacity);
  *taken = part.length;
  if (part.length == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  memcpy(out, part.base, part.length);
  tls->incoming = cwire_span_drop(tls->incoming, part.length);
  return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t count, size_t *taken) {
  cr_connection *connection = BIO_get_data(bio);
  cr_tls *tls = tls_of(connection);
  BIO_clear_retry_flags(bio);
  *taken = 0;
  if (!cr_buffer_append(&connection->loop->buffers, &tls->outgoing,
                        cwire_span_make(bytes, count))) {
    tls->out_of_memory = true;
    return 0;
  }
  *taken = count;
  return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO_METHOD *cr_tls_bio_make(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cr_connection");
  if (method == NULL) return NULL;
  BIO_meth_set_read_ex(method, bio_read);
  BIO_meth_set_write_ex(method, bio_write);
  BIO_meth_set_ctrl(method, bio_control);
  BIO_meth_set_create(method, bio_create);
  return method;
}

/* ---- Errors ---- */

/* The verify result says more than "certificate verify failed". */
static cr_error tls_error(const cr_tls *tls) {
  long verified = tls->context->verify ? SSL_get_verify_result(tls->ssl) : X509_V_OK;
  if (verified != X509_V_OK) return (cr_error){CR_DOMAIN_TLS, (int32_t)verified};
  if (tls->out_of_memory) return cr_error_uv(UV_ENOMEM);
  unsigned long code = ERR_peek_error();
  if (code == 0) return cr_error_uv(UV_EPROTO);
  return (cr_error){CR_DOMAIN_TLS, (int32_t)code};
}

static void fail(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  tls->stage = STAGE_ENDED;
  cr_connection_close(connection, tls_error(tls));
}

/* ---- Downward ---- */

static void drop_outgoing(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  if (tls->outgoing == NULL) return;
  cr_buffer_give(&connection->loop->buffers, tls->outgoing);
  tls->outgoing = NULL;
}

static void write_below(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  cwire_span span = cr_buffer_span(tls->outgoing);
  uv_buf_t piece = {.base = (char *)(uintptr_t)span.base, .len = span.length};
  int status = tls->below->write(connection, &tls->request, &piece, 1);
  tls->writing_below = status == 0;
  if (status < 0) cr_connection_close(connection, cr_error_uv(status));
}

/* Hands down what there is: at once if the transport below takes it, else by one `write`. */
static void flush(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  while (tls->outgoing != NULL && !tls->writing_below && !connection->closing) {
    cwire_span span = cr_buffer_span(tls->outgoing);
    uv_buf_t piece = {.base = (char *)(uintptr_t)span.base, .len = span.length};
    ssize_t taken = tls->below->try_write(connection, &piece, 1);
    if (taken == UV_EAGAIN) taken = 0;
    if (taken < 0) {
      cr_connection_close(connection, cr_error_uv((int)taken));
      return;
    }
    tls->outgoing->begin += (size_t)taken;
    if ((size_t)taken == span.length)
      drop_outgoing(connection);
    else
      write_below(connection);
  }
}

/* Encrypts pieces from byte `skip` on, at most BATCH bytes, small ones together in one record.
 * Returns how many, or -1. */
static ssize_t encrypt(cr_tls *tls, const uv_buf_t *pieces, unsigned count, size_t skip) {
  uint8_t record[RECORD];
  size_t done = 0;
  unsigned index = 0;
  while (index < count && skip >= pieces[index].len)
    skip -= pieces[index++].len;
  while (index < count && done < BATCH) {
    size_t filled = 0;
    while (index < count && filled < sizeof record) {
      size_t left = pieces[index].len - skip, room = sizeof record - filled;
      size_t part = left < room ? left : room;
      if (part > 0) memcpy(record + filled, pieces[index].base + skip, part);
      filled += part;
      skip += part;
      if (skip < pieces[index].len) break;
      index++;
      skip = 0;
    }
    size_t written = 0;
    if (filled == 0) break;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, record, filled, &written) != 1 || written != filled) return -1;
    done += filled;
  }
  return (ssize_t)done;
}

static ssize_t tls_try_write(cr_connection *connection, const uv_buf_t *pieces, unsigned count) {
  cr_tls *tls = tls_of(connection);
  if (tls->stage == STAGE_ENDED) return UV_EPIPE;
  if (tls->stage == STAGE_HANDSHAKE || tls->outgoing != NULL) return UV_EAGAIN;
  ssize_t taken = encrypt(tls, pieces, count, 0);
  if (taken < 0) {
    fail(connection);
    return UV_EPIPE;
  }
  flush(connection);
  return taken;
}

/* Encrypts the next part of what the connection waits for. False when all of it is. */
static bool encrypt_more(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  ssize_t taken = encrypt(tls, tls->pieces, tls->count, tls->skip);
  if (taken < 0) {
    fail(connection);
    return false;
  }
  tls->skip += (size_t)taken;
  return taken > 0;
}

static int tls_write(cr_connection *connection, uv_write_t *request, const uv_buf_t *pieces,
                     unsigned count) {
  (void)request; /* below, one of ours is used */
  cr_tls *tls = tls_of(connection);
  if (tls->stage == STAGE_ENDED) return UV_EPIPE;
  memcpy(tls->pieces, pieces, count * sizeof *pieces);
  tls->count = count;
  tls->skip = 0;
  tls->writing_above = true;
  /* `wrote` must not come from within: so this part goes by `write` even if it could go at once. */
  if (tls->outgoing == NULL && encrypt_more(connection)) write_below(connection);
  return 0;
}

static void shut_below_if_flushed(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  if (!tls->shutting || tls->outgoing != NULL || connection->closing) return;
  tls->shutting = false;
  tls->below->shutdown(connection);
}

static void tls_wrote(cr_connection *connection, int status) {
  cr_tls *tls = tls_of(connection);
  tls->writing_below = false;
  drop_outgoing(connection);
  if (connection->closing) return;
  if (status < 0) {
    cr_connection_close(connection, cr_error_uv(status));
    return;
  }
  while (tls->writing_above && tls->outgoing == NULL && !connection->closing &&
         encrypt_more(connection)) {
    flush(connection);
  }
  if (connection->closing || tls->outgoing != NULL) return;
  shut_below_if_flushed(connection);
  if (!tls->writing_above) return;
  tls->writing_above = false;
  cr_connection_wrote(connection, 0);
}

static int tls_read_start(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  if (tls->reading) return 0;
  int status = tls->below->read_start(connection);
  tls->reading = status == 0;
  return status;
}

static void tls_read_stop(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  if (!tls->reading) return;
  tls->reading = false;
  tls->below->read_stop(connection);
}

static size_t tls_unwritten(cr_connection *connection) {
  const cr_transport *below = tls_of(connection)->below;
  return below->unwritten == NULL ? 0 : below->unwritten(connection);
}

static bool tls_unread(cr_connection *connection) {
  const cr_transport *below = tls_of(connection)->below;
  return below->unread != NULL && below->unread(connection);
}

static void say_goodbye(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  if (tls->stage != STAGE_OPEN) return;
  tls->stage = STAGE_ENDED;
  ERR_clear_error();
  SSL_shutdown(tls->ssl); /* close_notify goes to `outgoing`; that of the peer is not waited for */
}

static void tls_shutdown(cr_connection *connection) {
  say_goodbye(connection);
  tls_of(connection)->shutting = true;
  flush(connection);
  shut_below_if_flushed(connection);
}

static void tls_close(cr_connection *connection, bool reset) {
  cr_tls *tls = tls_of(connection);
  /* As much of the goodbye as goes at once; nobody waits for the rest. */
  if (!reset && !tls->writing_below) {
    say_goodbye(connection);
    if (tls->outgoing != NULL) {
      cwire_span span = cr_buffer_span(tls->outgoing);
      uv_buf_t piece = {.base = (char *)(uintptr_t)span.base, .len = span.length};
      (void)tls->below->try_write(connection, &piece, 1);
    }
  }
  tls->stage = STAGE_ENDED;
  tls->below->close(connection, reset);
}

/* ---- Upward ---- */

static void shake_hands(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  ERR_clear_error();
  int result = SSL_do_handshake(tls->ssl);
  bool more = result != 1 && SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ;
  cr_error error = result == 1 || more ? CR_OK : tls_error(tls);
  /* An alert that tells the peer what is wrong goes out too. */
  flush(connection);
  if (connection->closing || more) return;
  if (cr_failed(error)) {
    tls->stage = STAGE_ENDED;
    cr_connection_close(connection, error);
    return;
  }
  tls->stage = STAGE_OPEN;
  cr_connection_connected(connection, 0);
}

static void tls_connected(cr_connection *connection, int status) {
  if (status < 0) {
    cr_connection_connected(connection, status);
    return;
  }
  status = tls_read_start(connection);
  if (status < 0)
    cr_connection_connected(connection, status);
  else
    shake_hands(connection);
}

static void deliver(cr_connection *connection, uint8_t *plain, size_t length) {
  if (length > 0 && !connection->closing) {
    cr_connection_received(connection, plain, (ssize_t)length);
  }
}

/* Decrypts all that came; records are delivered together as far as the room goes. */
static void decrypt(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  uint8_t plain[RECORD];
  size_t filled = 0;
  while (!connection->closing && tls->stage == STAGE_OPEN) {
    size_t got = 0;
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, plain + filled, sizeof plain - filled, &got);
    if (result == 1) {
      filled += got;
      if (filled < sizeof plain) continue;
      deliver(connection, plain, filled);
      filled = 0;
      continue;
    }
    int reason = SSL_get_error(tls->ssl, result);
    cr_error error = tls_error(tls);
    deliver(connection, plain, filled);
    if (connection->closing || reason == SSL_ERROR_WANT_READ) return;
    if (reason == SSL_ERROR_ZERO_RETURN) {
      cr_connection_received(connection, NULL, UV_EOF);
    } else {
      tls->stage = STAGE_ENDED;
      cr_connection_close(connection, error);
    }
    return;
  }
}

static void tls_received(cr_connection *connection, uint8_t *bytes, ssize_t count) {
  cr_tls *tls = tls_of(connection);
  if (connection->closing) return;
  if (count < 0) {
    /* An end that nobody signed may be a cut by somebody in between (RFC 8446 section 6.1). */
    bool signed_end = (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
    if (count != UV_EOF || signed_end)
      cr_connection_received(connection, NULL, count);
    else
      cr_connection_close(connection, cr_error_reason(CR_REASON_PEER_CLOSED));
    return;
  }
  tls->incoming = cwire_span_make(bytes, (size_t)count);
  if (tls->stage == STAGE_HANDSHAKE) shake_hands(connection);
  if (tls->stage == STAGE_OPEN) decrypt(connection);
  tls->incoming = cwire_span_make(NULL, 0);
  if (!connection->closing) flush(connection); /* what OpenSSL answered on its own */
}

static const cr_transport transport = {
    .try_write = tls_try_write,
    .write = tls_write,
    .read_start = tls_read_start,
    .read_stop = tls_read_stop,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .unwritten = tls_unwritten,
    .unread = tls_unread,
    .connected = tls_connected,
    .received = tls_received,
    .wrote = tls_wrote,
};

/* ---- Life ---- */

static cr_tls *attach(cr_connection *connection, const cr_transport *below,
                      cr_tls_context *context) {
  cr_tls *tls = calloc(1, sizeof *tls);
  SSL *ssl = SSL_new(context->ssl);
  BIO *bio = BIO_new(context->bio);
  if (tls == NULL || ssl == NULL || bio == NULL) {
    BIO_free(bio);
    SSL_free(ssl);
    free(tls);
    return NULL;
  }
  BIO_set_data(bio, connection);
  SSL_set_bio(ssl, bio, bio); /* takes the one reference for both directions */
  tls->ssl = ssl;
  tls->below = below;
  tls->context = cr_tls_context_retain(context);
  connection->tls = tls;
  connection->transport = &transport;
  return tls;
}

/* The name that the certificate must have, and for which the server may choose one (names only:
 * RFC 6066 section 3 has no addresses). */
static bool expect_host(SSL *ssl, const char *host) {
  unsigned char address[16];
  if (uv_inet_pton(AF_INET, host, address) == 0 || uv_inet_pton(AF_INET6, host, address) == 0) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
  }
  X509_VERIFY_PARAM_set_hostflags(SSL_get0_param(ssl), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

bool cr_tls_attach_client(cr_connection *connection, const cr_transport *below,
                          cr_tls_context *context, const char *host) {
  cr_tls *tls = attach(connection, below, context);
  if (tls == NULL) return false;
  SSL_set_connect_state(tls->ssl);
  if (expect_host(tls->ssl, host)) return true;
  cr_tls_detach(connection);
  connection->transport = NULL;
  return false;
}

void cr_tls_detach(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  if (tls == NULL) return;
  drop_outgoing(connection);
  SSL_free(tls->ssl);
  cr_tls_context_free(tls->context);
  connection->tls = NULL;
  free(tls);
}
