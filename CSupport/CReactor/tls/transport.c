#include "tls/transport.h"

#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/check.h"
#include "loop/loop.h"
#include "tls/context.h"

/* TLS as a transport over another. OpenSSL never sees a descriptor: its BIO reads from the span
 * that the transport below has just delivered and appends to a pooled buffer that is written below.
 * While a connection idles neither exists.
 *
 * Reading uses up every span at once, so nothing encrypted is ever kept here: while policy pauses,
 * the connection keeps the plain bytes. Writing below is one `write` at a time; as long as one is
 * under way, `try_write` takes nothing and the connection queues plain bytes.
 *
 * OpenSSL also writes when nobody asked it to: new keys, refusals, alerts. So a write below takes
 * its buffer for itself (`sending`), and what is written meanwhile gathers in another (`outgoing`),
 * which goes out next. What a peer brings about that way is bounded: it does not get on as long as
 * it does not read, and not forever if it sends little else. */

enum {
  RECORD = 16 * 1024,
  OVERHEAD = 64, /* more than a record adds to what it carries */
  /* What is encrypted at once; with its overhead it fits a buffer of the pool. */
  BATCH = 3 * RECORD,
  /* What OpenSSL may write by itself behind a write that is under way; then reading stops. */
  REMARKS = 4096,
  /* What a peer may have OpenSSL do beside its data: so often, and once more with each of so many
     bytes that travel either way. Honest peers change keys after gigabytes. */
  ERRANDS = 64,
  BYTES_PER_ERRAND = 64 * 1024,
};

typedef enum stage {
  STAGE_AWAITED, /* a client that was accepted has not sent anything */
  STAGE_HANDSHAKE,
  STAGE_OPEN,
  STAGE_ENDED
} stage;

/* What only a connection has that waits for the kernel. */
typedef struct cr_tls_wait {
  uv_write_t request; /* of the write below */
#ifdef DEBUG
  uint64_t imprint; /* of what it sends */
#endif
  unsigned count;
  size_t skip; /* bytes of pieces[0 … count) that are encrypted */
  uv_buf_t pieces[CR_GATHER];
} cr_tls_wait;

typedef struct cr_tls {
  SSL *ssl; /* NULL until a client that was accepted has sent something */
  cr_tls_context *context;
  const cr_transport *below;
  cwire_span incoming; /* what the BIO has still to read of the span being handled */
  cr_buffer *outgoing; /* encrypted; may move. After `flush` it is there only while `sending` is */
  cr_buffer *sending;  /* of the write below that is under way: nobody touches it until `wrote` */
  cr_tls_wait *wait;   /* NULL unless `sending` or `writing_above` */
  char *server;        /* of a client: what its session is stored under */
  int status;          /* of a write below that failed within the BIO */
  uint32_t errands;    /* that the peer had OpenSSL run since the handshake */
  uint8_t stage;
  bool restless; /* they are too many */
  bool direct;   /* the BIO may hand what it gets down at once */
  bool out_of_memory;
  bool wanted;        /* the connection wants to read */
  bool reading;       /* the transport below was told to */
  bool parted;        /* close_notify is written: nothing else may be */
  bool shutting;      /* end the sending side when all is written below */
  bool writing_above; /* the connection waits for `wrote` of `wait->pieces` */
  bool counted;       /* `sending` is of `wait->pieces`, which the connection still counts */
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

/* A record on its own goes to the kernel from where OpenSSL has it; only what is not taken is
 * copied. */
static size_t write_directly(cr_connection *connection, const char *bytes, size_t count) {
  cr_tls *tls = tls_of(connection);
  if (!tls->direct || tls->outgoing != NULL || tls->sending != NULL || tls->status < 0) return 0;
  uv_buf_t piece = {.base = (char *)(uintptr_t)bytes, .len = count};
  ssize_t taken = tls->below->try_write(connection, &piece, 1);
  if (taken < 0 && taken != UV_EAGAIN) tls->status = (int)taken;
  return taken < 0 ? 0 : (size_t)taken;
}

static int bio_write(BIO *bio, const char *bytes, size_t count, size_t *taken) {
  cr_connection *connection = BIO_get_data(bio);
  cr_tls *tls = tls_of(connection);
  BIO_clear_retry_flags(bio);
  *taken = 0;
  size_t written = write_directly(connection, bytes, count);
  if (!cr_buffer_append(&connection->loop->buffers, &tls->outgoing,
                        cwire_span_make(bytes + written, count - written))) {
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

/* Told of what OpenSSL does beside the data. What a peer brings about after the handshake counts:
 * each message of TLS 1.3 that was handled, and each answer of ours to one; each handshake of TLS
 * 1.2 that was refused. */
static void step_taken(const SSL *ssl, int where, int value) {
  BIO *bio = SSL_get_rbio(ssl);
  cr_tls *tls = tls_of(BIO_get_data(bio));
  bool handled = (where == SSL_CB_ACCEPT_EXIT || where == SSL_CB_CONNECT_EXIT) && value == 1;
  bool refused = where == SSL_CB_WRITE_ALERT && (value & 0xff) == SSL_AD_NO_RENEGOTIATION;
  if (tls->stage != STAGE_OPEN || (!handled && !refused)) return;
  uint64_t travelled = BIO_number_read(bio) + BIO_number_written(bio);
  if (++tls->errands <= ERRANDS + travelled / BYTES_PER_ERRAND) return;
  tls->restless = true;
  tls->incoming = cwire_span_make(NULL, 0); /* so that OpenSSL comes back */
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

static void drop(cr_connection *connection, cr_buffer **buffer) {
  if (*buffer == NULL) return;
  cr_buffer_give(&connection->loop->buffers, *buffer);
  *buffer = NULL;
}

static size_t length_of(const cr_buffer *buffer) {
  return buffer == NULL ? 0 : buffer->end - buffer->begin;
}

static uv_buf_t piece_of(const cr_buffer *buffer) {
  cwire_span span = cr_buffer_span(buffer);
  return (uv_buf_t){.base = (char *)(uintptr_t)span.base, .len = span.length};
}

static bool begin_waiting(cr_tls *tls) {
  if (tls->wait == NULL) tls->wait = malloc(sizeof *tls->wait);
  return tls->wait != NULL;
}

static void end_waiting(cr_tls *tls) {
  if (tls->sending != NULL || tls->writing_above) return;
  free(tls->wait);
  tls->wait = NULL;
}

/* Tells the connection what is held here, beyond what it counts itself. */
static void tell_held(cr_connection *connection) {
  const cr_tls *tls = tls_of(connection);
  size_t held = length_of(tls->outgoing) + (tls->counted ? 0 : length_of(tls->sending));
  cr_connection_set_held(connection, held);
}

/* Begins a write of `outgoing`, which it takes for itself. */
static void write_below(cr_connection *connection, bool counted) {
  cr_tls *tls = tls_of(connection);
  cr_assert(tls->sending == NULL);
  int status = UV_ENOMEM;
  if (begin_waiting(tls)) {
    tls->sending = tls->outgoing;
    tls->outgoing = NULL;
    tls->counted = counted;
    uv_buf_t piece = piece_of(tls->sending);
#ifdef DEBUG
    tls->wait->imprint = cr_imprint(&piece, 1, piece.len);
#endif
    status = tls->below->write(connection, &tls->wait->request, &piece, 1);
    if (status < 0) drop(connection, &tls->sending);
  }
  if (status < 0)
    cr_connection_close(connection, cr_error_uv(status));
  else
    tell_held(connection);
}

/* Hands down what there is, unless a write is under way: at once if the transport below takes it,
 * else by one `write`. */
static void flush(cr_connection *connection, bool counted) {
  cr_tls *tls = tls_of(connection);
  if (tls->outgoing == NULL || tls->sending != NULL || cr_is_closing(connection)) return;
  uv_buf_t piece = piece_of(tls->outgoing);
  ssize_t taken = tls->below->try_write(connection, &piece, 1);
  if (taken == UV_EAGAIN) taken = 0;
  if (taken < 0) {
    cr_connection_close(connection, cr_error_uv((int)taken));
    return;
  }
  tls->outgoing->begin += (size_t)taken;
  if ((size_t)taken == piece.len)
    drop(connection, &tls->outgoing);
  else
    write_below(connection, counted);
}

/* Reads below if the connection wants it and the peer takes what it has brought about so far. */
static int read_below(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  bool wanted = tls->wanted && length_of(tls->outgoing) <= REMARKS;
  if (tls->reading == wanted) return 0;
  int status = 0;
  if (wanted)
    status = tls->below->read_start(connection);
  else
    tls->below->read_stop(connection);
  if (status == 0) tls->reading = wanted;
  return status;
}

static void update_reading(cr_connection *connection) {
  int status = read_below(connection);
  if (status < 0) cr_connection_close(connection, cr_error_uv(status));
}

/* What OpenSSL wrote by itself goes out, or waits; while much of it waits, nothing is read that
 * could bring about more. */
static void flush_remarks(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  if (tls->outgoing == NULL) return;
  flush(connection, false);
  if (cr_is_closing(connection) || tls->outgoing == NULL) return;
  tell_held(connection);
  update_reading(connection);
}

/* Fills `record` from small pieces and moves the cursor past them. */
static size_t join(uint8_t *record, const uv_buf_t *pieces, unsigned count, unsigned *index,
                   size_t *skip) {
  size_t filled = 0;
  while (*index < count && filled < RECORD) {
    size_t left = pieces[*index].len - *skip, room = RECORD - filled;
    size_t part = left < room ? left : room;
    if (part > 0) memcpy(record + filled, pieces[*index].base + *skip, part);
    filled += part;
    *skip += part;
    if (*skip < pieces[*index].len) break;
    ++*index;
    *skip = 0;
  }
  return filled;
}

static size_t sum(const uv_buf_t *pieces, unsigned count) {
  size_t bytes = 0;
  for (unsigned index = 0; index < count; index++)
    bytes += pieces[index].len;
  return bytes;
}

/* Encrypts pieces from byte `skip` on, at most BATCH bytes, small ones together in one record.
 * Returns how many, or -1. */
static ssize_t encrypt(cr_connection *connection, const uv_buf_t *pieces, unsigned count,
                       size_t skip) {
  cr_tls *tls = tls_of(connection);
  uint8_t record[RECORD];
  size_t done = 0, left = sum(pieces, count) - skip;
  unsigned index = 0;
  if (left > BATCH) left = BATCH;
  if (left > RECORD && tls->outgoing == NULL) {
    size_t room = left + OVERHEAD * (left / RECORD + 1);
    tls->outgoing = cr_buffer_take(&connection->loop->buffers, room);
  }
  while (done < left) {
    while (skip >= pieces[index].len)
      skip -= pieces[index++].len;
    const char *plain = pieces[index].base + skip;
    size_t filled = pieces[index].len - skip, written = 0;
    if (filled >= RECORD || index + 1 == count) {
      if (filled > RECORD) filled = RECORD;
      skip += filled;
    } else {
      plain = (const char *)record;
      filled = join(record, pieces, count, &index, &skip);
    }
    /* Fails only for good, so nobody asks SSL_get_error, and what is in OpenSSL's queue of errors
       need not be cleared at each message. */
    if (SSL_write_ex(tls->ssl, plain, filled, &written) != 1 || written != filled) return -1;
    done += filled;
  }
  return (ssize_t)done;
}

static ssize_t tls_try_write(cr_connection *connection, const uv_buf_t *pieces, unsigned count) {
  cr_tls *tls = tls_of(connection);
  if (tls->stage == STAGE_ENDED) return UV_EPIPE;
  if (tls->stage != STAGE_OPEN) return UV_EAGAIN;
  /* What OpenSSL wrote by itself while it read goes first. */
  if (tls->outgoing != NULL) flush(connection, false);
  if (cr_is_closing(connection)) return UV_EPIPE;
  if (tls->sending != NULL) return UV_EAGAIN;
  tls->direct = true;
  ssize_t taken = encrypt(connection, pieces, count, 0);
  tls->direct = false;
  if (taken < 0) {
    fail(connection);
    return UV_EPIPE;
  }
  if (tls->status < 0) return tls->status;
  flush(connection, false);
  return taken;
}

/* Encrypts the next part of what the connection waits for. False when all of it is. */
static bool encrypt_more(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  cr_tls_wait *wait = tls->wait;
  ssize_t taken = encrypt(connection, wait->pieces, wait->count, wait->skip);
  if (taken < 0) {
    fail(connection);
    return false;
  }
  wait->skip += (size_t)taken;
  return taken > 0;
}

static int tls_write(cr_connection *connection, uv_write_t *request, const uv_buf_t *pieces,
                     unsigned count) {
  (void)request; /* below, one of ours is used */
  cr_tls *tls = tls_of(connection);
  if (tls->stage == STAGE_ENDED) return UV_EPIPE;
  cr_assert(!tls->writing_above);
  if (!begin_waiting(tls)) return UV_ENOMEM;
  memcpy(tls->wait->pieces, pieces, count * sizeof *pieces);
  tls->wait->count = count;
  tls->wait->skip = 0;
  tls->writing_above = true;
  /* `wrote` must not come from within: so this part goes by `write` even if it could go at once. */
  if (tls->sending == NULL && encrypt_more(connection)) write_below(connection, true);
  return 0;
}

static void shut_below_if_flushed(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  if (!tls->shutting || tls->sending != NULL || cr_is_closing(connection)) return;
  tls->shutting = false;
  tls->below->shutdown(connection);
}

static void tls_wrote(cr_connection *connection, int status) {
  cr_tls *tls = tls_of(connection);
#ifdef DEBUG
  uv_buf_t piece = piece_of(tls->sending);
  cr_assert(cr_imprint(&piece, 1, piece.len) == tls->wait->imprint);
#endif
  drop(connection, &tls->sending);
  if (cr_is_closing(connection)) return;
  if (status < 0) {
    cr_connection_close(connection, cr_error_uv(status));
    return;
  }
  flush(connection, false);
  while (tls->writing_above && tls->sending == NULL && !cr_is_closing(connection) &&
         encrypt_more(connection)) {
    flush(connection, true);
  }
  if (cr_is_closing(connection)) return;
  tell_held(connection);
  update_reading(connection);
  if (tls->sending != NULL || cr_is_closing(connection)) return;
  shut_below_if_flushed(connection);
  bool told = tls->writing_above;
  tls->writing_above = false;
  end_waiting(tls);
  if (told)
    cr_connection_wrote(connection, 0);
  else
    cr_connection_flushed(connection);
}

static int tls_read_start(cr_connection *connection) {
  tls_of(connection)->wanted = true;
  return read_below(connection);
}

static void tls_read_stop(cr_connection *connection) {
  tls_of(connection)->wanted = false;
  (void)read_below(connection); /* stopping can't fail */
}

static uint64_t tls_taken(cr_connection *connection) {
  const cr_transport *below = tls_of(connection)->below;
  return below->taken == NULL ? connection->queue->consumed : below->taken(connection);
}

/* The transport below tells everything through this one, and may end the connection. */
static void tls_run(cr_connection *connection) {
  const cr_transport *below = tls_of(connection)->below;
  if (below->run != NULL) below->run(connection);
}

static bool tls_unread(cr_connection *connection) {
  const cr_transport *below = tls_of(connection)->below;
  return below->unread != NULL && below->unread(connection);
}

/* close_notify goes to `outgoing`; that of the peer is not waited for. */
static void part(cr_tls *tls) {
  if (tls->stage != STAGE_OPEN || tls->parted) return;
  tls->parted = true;
  ERR_clear_error();
  SSL_shutdown(tls->ssl);
}

static void tls_part(cr_connection *connection) {
  part(tls_of(connection));
  flush_remarks(connection);
}

static void tls_shutdown(cr_connection *connection) {
  tls_part(connection);
  tls_of(connection)->shutting = true;
  shut_below_if_flushed(connection);
}

static void tls_close(cr_connection *connection, bool reset) {
  cr_tls *tls = tls_of(connection);
  /* As much of the goodbye as goes at once: who needs all of it has parted before. */
  if (!reset && tls->sending == NULL) {
    part(tls);
    if (tls->outgoing != NULL) {
      uv_buf_t piece = piece_of(tls->outgoing);
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
  flush_remarks(connection);
  if (cr_is_closing(connection) || more) return;
  if (cr_failed(error)) {
    tls->stage = STAGE_ENDED;
    cr_connection_close(connection, error);
    return;
  }
  tls->stage = STAGE_OPEN;
  connection->reading = tls->wanted;
  cr_connection_connected(connection, 0);
}

static void tls_connected(cr_connection *connection, int status) {
  cr_tls *tls = tls_of(connection);
  if (status >= 0) status = tls_read_start(connection);
  if (status < 0)
    cr_connection_connected(connection, status);
  else if (tls->stage == STAGE_HANDSHAKE)
    shake_hands(connection);
}

static bool prepare(cr_connection *connection) {
  cr_tls *tls = tls_of(connection);
  tls->ssl = SSL_new(tls->context->ssl);
  BIO *bio = BIO_new(tls->context->bio);
  if (tls->ssl == NULL || bio == NULL) {
    BIO_free(bio);
    return false;
  }
  BIO_set_data(bio, connection);
  SSL_set_bio(tls->ssl, bio, bio); /* takes the one reference for both directions */
  SSL_set_info_callback(tls->ssl, step_taken);
  tls->stage = STAGE_HANDSHAKE;
  return true;
}

/* A client that speaks HTTP without TLS is told so in its own words. */
static void refuse_plain(cr_connection *connection, bool http) {
  static const char answer[] =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 34\r\n"
      "Connection: close\r\n\r\nThis port speaks HTTPS, not HTTP.\n";
  cr_tls *tls = tls_of(connection);
  tls->stage = STAGE_ENDED;
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
    SSL_set_accept_state(tls_of(connection)->ssl);
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
  cr_tls *tls = tls_of(connection);
  uint8_t plain[RECORD];
  size_t filled = 0;
  ERR_clear_error();
  while (!cr_is_closing(connection) && tls->stage == STAGE_OPEN) {
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
    cr_error error = tls_error(tls);
    deliver(connection, plain, filled);
    if (cr_is_closing(connection) || reason == SSL_ERROR_WANT_READ) return;
    if (reason == SSL_ERROR_ZERO_RETURN) {
      cr_connection_received(connection, NULL, UV_EOF);
    } else {
      tls->stage = STAGE_ENDED;
      cr_connection_close(connection, error);
    }
    return;
  }
  deliver(connection, plain, filled);
}

static void tls_received(cr_connection *connection, uint8_t *bytes, ssize_t count) {
  cr_tls *tls = tls_of(connection);
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
  if (tls->stage == STAGE_AWAITED) first_bytes(connection, bytes[0]);
  tls->incoming = cwire_span_make(bytes, (size_t)count);
  if (tls->stage == STAGE_HANDSHAKE && !cr_is_closing(connection)) shake_hands(connection);
  if (tls->stage == STAGE_OPEN) decrypt(connection);
  tls->incoming = cwire_span_make(NULL, 0);
  if (!cr_is_closing(connection)) flush_remarks(connection);
}

static const cr_transport transport = {
    .try_write = tls_try_write,
    .write = tls_write,
    .read_start = tls_read_start,
    .read_stop = tls_read_stop,
    .part = tls_part,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .taken = tls_taken,
    .unread = tls_unread,
    .run = tls_run,
    .connected = tls_connected,
    .received = tls_received,
    .wrote = tls_wrote,
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

static bool offer_session(cr_tls *tls, const char *host, uint16_t port) {
  if (tls->context->sessions == NULL) return true;
  size_t capacity = strlen(host) + sizeof ":65535";
  tls->server = malloc(capacity);
  if (tls->server == NULL) return false;
  snprintf(tls->server, capacity, "%s:%u", host, port);
  cr_tls_sessions_use(tls->context->sessions, tls->ssl, tls->server);
  return true;
}

bool cr_tls_attach_client(cr_connection *connection, const cr_transport *below,
                          cr_tls_context *context, const char *host, uint16_t port) {
  const cr_transport *before = connection->transport;
  cr_tls *tls = attach(connection, below, context);
  if (tls == NULL) return false;
  if (prepare(connection) && cr_tls_expect_host(tls->ssl, host) && offer_session(tls, host, port)) {
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
  cr_tls *tls = tls_of(connection);
  if (tls == NULL) return;
  drop(connection, &tls->outgoing);
  drop(connection, &tls->sending);
  SSL_free(tls->ssl);
  cr_tls_context_free(tls->context);
  connection->tls = NULL;
  free(tls->wait);
  free(tls->server);
  free(tls);
}

/* ---- For policy ---- */

static const cr_tls *open_tls(cr_loop *loop, cr_id id) {
  cr_connection *connection = cr_slab_find(&loop->slab, id);
  if (connection == NULL || connection->tls == NULL || cr_connection_id(connection) != id) {
    return NULL;
  }
  const cr_tls *tls = tls_of(connection);
  return tls->ssl != NULL && SSL_is_init_finished(tls->ssl) ? tls : NULL;
}

/* A certificate need not have a subject (RFC 5280 section 4.1.2.6). What stands for it then is a
 * digest of its other names, which a renewal keeps, or of all of it; no subject looks like that. */
static void print_nameless(BIO *text, X509 *certificate) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  int place = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
  if (place >= 0) {
    const ASN1_OCTET_STRING *names = X509_EXTENSION_get_data(X509_get_ext(certificate, place));
    (void)EVP_Digest(ASN1_STRING_get0_data(names), (size_t)ASN1_STRING_length(names), digest,
                     &length, EVP_sha256(), NULL);
  } else {
    (void)X509_digest(certificate, EVP_sha256(), digest, &length);
  }
  BIO_puts(text, place >= 0 ? "subjectAltName:sha256:" : "certificate:sha256:");
  for (unsigned index = 0; index < length; index++)
    BIO_printf(text, "%02x", digest[index]);
}

int cr_connection_subject(cr_loop *loop, cr_id id, char *out, int capacity) {
  const cr_tls *tls = open_tls(loop, id);
  if (capacity > 0) out[0] = 0;
  X509 *certificate = tls == NULL ? NULL : SSL_get0_peer_certificate(tls->ssl);
  if (certificate == NULL || !tls->context->verify ||
      SSL_get_verify_result(tls->ssl) != X509_V_OK) {
    return 0;
  }
  BIO *text = BIO_new(BIO_s_mem());
  int length = 0;
  if (text != NULL &&
      X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
    char *bytes;
    if (BIO_ctrl_pending(text) == 0) print_nameless(text, certificate);
    long all = BIO_get_mem_data(text, &bytes);
    if (all > 0 && all < INT_MAX) length = (int)all;
    /* Half a name could be somebody else's. */
    if (length > 0 && length < capacity) {
      memcpy(out, bytes, (size_t)length);
      out[length] = 0;
    }
  }
  BIO_free(text);
  return length;
}

bool cr_connection_tls(cr_loop *loop, cr_id id, cr_tls_info *out) {
  const cr_tls *tls = open_tls(loop, id);
  if (tls == NULL) return false;
  *out = (cr_tls_info){
      .version = SSL_get_version(tls->ssl),
      .cipher = SSL_get_cipher_name(tls->ssl),
      .resumed = SSL_session_reused(tls->ssl) == 1,
  };
  return true;
}
