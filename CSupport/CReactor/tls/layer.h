#ifndef CREACTOR_TLS_LAYER_H
#define CREACTOR_TLS_LAYER_H

#include "connection/connection.h"
#include "connection/write_queue.h"
#include "tls/tls.h"

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

enum { CR_TLS_RECORD = 16 * 1024 };

typedef enum cr_tls_stage {
  CR_TLS_AWAITED, /* a client that was accepted has not sent anything */
  CR_TLS_HANDSHAKE,
  CR_TLS_OPEN,
  CR_TLS_ENDED
} cr_tls_stage;

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
  uint8_t stage;       /* cr_tls_stage */
  bool restless;       /* they are too many */
  bool direct;         /* the BIO may hand what it gets down at once */
  bool out_of_memory;
  bool wanted;        /* the connection wants to read */
  bool reading;       /* the transport below was told to */
  bool parted;        /* close_notify is written: nothing else may be */
  bool shutting;      /* end the sending side when all is written below */
  bool writing_above; /* the connection waits for `wrote` of `wait->pieces` */
  bool counted;       /* `sending` is of `wait->pieces`, which the connection still counts */
} cr_tls;

static inline cr_tls *cr_tls_of(cr_connection *connection) {
  return connection->tls;
}

/* bio.c: what is wrong, as far as anybody says. The verify result says more than "certificate
   verify failed". */
cr_error cr_tls_error(const cr_tls *tls);

/* writing.c, the half of the transport that the connection calls. */
ssize_t cr_tls_try_write(cr_connection *connection, const uv_buf_t *pieces, unsigned count);
int cr_tls_write(cr_connection *connection, uv_write_t *request, const uv_buf_t *pieces,
                 unsigned count);
void cr_tls_wrote(cr_connection *connection, int status);
int cr_tls_read_start(cr_connection *connection);
void cr_tls_read_stop(cr_connection *connection);
void cr_tls_part(cr_connection *connection);
void cr_tls_shutdown(cr_connection *connection);
void cr_tls_close(cr_connection *connection, bool reset);
/* writing.c: what OpenSSL wrote by itself goes out, or waits; while much of it waits, nothing is
   read that could bring about more. */
void cr_tls_flush_remarks(cr_connection *connection);
/* writing.c: frees what waits. */
void cr_tls_drop_written(cr_connection *connection);

#endif
