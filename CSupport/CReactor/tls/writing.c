#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "loop/check.h"
#include "tls/layer.h"

/* From the connection down: plain pieces are encrypted and handed to the transport below. */

enum {
  OVERHEAD = 64, /* more than a record adds to what it carries */
  /* What is encrypted at once; with its overhead it fits a buffer of the pool. */
  BATCH = 3 * CR_TLS_RECORD,
  /* What OpenSSL may write by itself behind a write that is under way; then reading stops. */
  REMARKS = 4096,
};

static void fail(cr_connection *connection) {
  cr_tls *tls = cr_tls_of(connection);
  tls->stage = CR_TLS_ENDED;
  cr_connection_close(connection, cr_tls_error(tls));
}

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
  const cr_tls *tls = cr_tls_of(connection);
  size_t held = length_of(tls->outgoing) + (tls->counted ? 0 : length_of(tls->sending));
  cr_connection_set_held(connection, held);
}

/* Begins a write of `outgoing`, which it takes for itself. */
static void write_below(cr_connection *connection, bool counted) {
  cr_tls *tls = cr_tls_of(connection);
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
  cr_tls *tls = cr_tls_of(connection);
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
  cr_tls *tls = cr_tls_of(connection);
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

void cr_tls_flush_remarks(cr_connection *connection) {
  cr_tls *tls = cr_tls_of(connection);
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
  while (*index < count && filled < CR_TLS_RECORD) {
    size_t left = pieces[*index].len - *skip, room = CR_TLS_RECORD - filled;
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
  cr_tls *tls = cr_tls_of(connection);
  uint8_t record[CR_TLS_RECORD];
  size_t done = 0, left = sum(pieces, count) - skip;
  unsigned index = 0;
  if (left > BATCH) left = BATCH;
  if (left > CR_TLS_RECORD && tls->outgoing == NULL) {
    size_t room = left + OVERHEAD * (left / CR_TLS_RECORD + 1);
    tls->outgoing = cr_buffer_take(&connection->loop->buffers, room);
  }
  while (done < left) {
    while (skip >= pieces[index].len)
      skip -= pieces[index++].len;
    const char *plain = pieces[index].base + skip;
    size_t filled = pieces[index].len - skip, written = 0;
    if (filled >= CR_TLS_RECORD || index + 1 == count) {
      if (filled > CR_TLS_RECORD) filled = CR_TLS_RECORD;
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

ssize_t cr_tls_try_write(cr_connection *connection, const uv_buf_t *pieces, unsigned count) {
  cr_tls *tls = cr_tls_of(connection);
  if (tls->stage == CR_TLS_ENDED) return UV_EPIPE;
  if (tls->stage != CR_TLS_OPEN) return UV_EAGAIN;
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
  cr_tls *tls = cr_tls_of(connection);
  cr_tls_wait *wait = tls->wait;
  ssize_t taken = encrypt(connection, wait->pieces, wait->count, wait->skip);
  if (taken < 0) {
    fail(connection);
    return false;
  }
  wait->skip += (size_t)taken;
  return taken > 0;
}

int cr_tls_write(cr_connection *connection, uv_write_t *request, const uv_buf_t *pieces,
                 unsigned count) {
  (void)request; /* below, one of ours is used */
  cr_tls *tls = cr_tls_of(connection);
  if (tls->stage == CR_TLS_ENDED) return UV_EPIPE;
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
  cr_tls *tls = cr_tls_of(connection);
  if (!tls->shutting || tls->sending != NULL || cr_is_closing(connection)) return;
  tls->shutting = false;
  tls->below->shutdown(connection);
}

void cr_tls_wrote(cr_connection *connection, int status) {
  cr_tls *tls = cr_tls_of(connection);
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

int cr_tls_read_start(cr_connection *connection) {
  cr_tls_of(connection)->wanted = true;
  return read_below(connection);
}

void cr_tls_read_stop(cr_connection *connection) {
  cr_tls_of(connection)->wanted = false;
  (void)read_below(connection); /* stopping can't fail */
}

/* close_notify goes to `outgoing`; that of the peer is not waited for. */
static void part(cr_tls *tls) {
  if (tls->stage != CR_TLS_OPEN || tls->parted) return;
  tls->parted = true;
  ERR_clear_error();
  SSL_shutdown(tls->ssl);
}

void cr_tls_part(cr_connection *connection) {
  part(cr_tls_of(connection));
  cr_tls_flush_remarks(connection);
}

void cr_tls_shutdown(cr_connection *connection) {
  cr_tls_part(connection);
  cr_tls_of(connection)->shutting = true;
  shut_below_if_flushed(connection);
}

void cr_tls_close(cr_connection *connection, bool reset) {
  cr_tls *tls = cr_tls_of(connection);
  /* As much of the goodbye as goes at once: who needs all of it has parted before. */
  if (!reset && tls->sending == NULL) {
    part(tls);
    if (tls->outgoing != NULL) {
      uv_buf_t piece = piece_of(tls->outgoing);
      (void)tls->below->try_write(connection, &piece, 1);
    }
  }
  tls->stage = CR_TLS_ENDED;
  tls->below->close(connection, reset);
}

void cr_tls_drop_written(cr_connection *connection) {
  cr_tls *tls = cr_tls_of(connection);
  drop(connection, &tls->outgoing);
  drop(connection, &tls->sending);
  free(tls->wait);
}
