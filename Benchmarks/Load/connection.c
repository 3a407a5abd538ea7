#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_SIZE = 65536 };

/* One thread reads at a time, and what is not taken at once is copied. */
static uint8_t read_buffer[READ_SIZE];
static uint8_t plain_buffer[READ_SIZE];

static void fail(connection *connection, fault fault) {
  if (connection->state == CONNECTION_CLOSING) return;
  connection->handlers->ended(connection, fault);
}

/* ---- Writing ---- */

typedef struct pending_write {
  uv_write_t request;
  uint8_t bytes[];
} pending_write;

static void written(uv_write_t *request, int status) {
  connection *connection = request->handle->data;
  free(request);
  if (status != 0 && status != UV_ECANCELED) fail(connection, FAULT_CLOSED);
}

static void send_raw(connection *connection, cwire_span bytes) {
  uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
  if (stream->write_queue_size == 0) {
    uv_buf_t buffer = uv_buf_init((char *)bytes.base, (unsigned)bytes.length);
    int sent = uv_try_write(stream, &buffer, 1);
    if (sent > 0) bytes = cwire_span_drop(bytes, (size_t)sent);
    /* Another error than "not now" is told by the write that follows. */
  }
  if (bytes.length == 0) return;
  pending_write *pending = malloc(sizeof *pending + bytes.length);
  if (pending == NULL) abort();
  memcpy(pending->bytes, bytes.base, bytes.length);
  uv_buf_t buffer = uv_buf_init((char *)pending->bytes, (unsigned)bytes.length);
  if (uv_write(&pending->request, stream, &buffer, 1, written) != 0) free(pending);
}

/* What OpenSSL wants to have sent. */
static void flush_tls(connection *connection) {
  BIO *out = SSL_get_wbio(connection->tls);
  char *bytes;
  long length = BIO_get_mem_data(out, &bytes);
  if (length <= 0) return;
  send_raw(connection, cwire_span_make(bytes, (size_t)length));
  (void)BIO_reset(out);
}

void connection_send(connection *connection, cwire_span bytes) {
  if (connection->state != CONNECTION_OPEN || bytes.length == 0) return;
  if (connection->tls == NULL) {
    send_raw(connection, bytes);
    return;
  }
  /* A memory BIO takes everything. */
  if (SSL_write(connection->tls, bytes.base, (int)bytes.length) <= 0) {
    fail(connection, FAULT_TLS);
    return;
  }
  flush_tls(connection);
}

/* ---- Reading ---- */

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)handle, (void)suggested;
  *buffer = uv_buf_init((char *)read_buffer, sizeof read_buffer);
}

static void deliver(connection *connection, uint8_t *base, size_t length) {
  bytes *rest = &connection->rest;
  bool joined = rest->length > 0;
  if (joined) {
    bytes_append(rest, cwire_span_make(base, length));
    base = rest->base;
    length = rest->length;
  }
  size_t taken = connection->handlers->received(connection, cwire_span_make(base, length));
  if (connection->state != CONNECTION_OPEN) return;
  if (joined) {
    bytes_drop(rest, taken);
    if (rest->length == 0) bytes_free(rest);
  } else {
    bytes_append(rest, cwire_span_make(base + taken, length - taken));
  }
}

static void keep_session(connection *connection) {
  SSL_SESSION **kept = SSL_get_app_data(connection->tls);
  if (kept == NULL) return;
  SSL_SESSION *session = SSL_get1_session(connection->tls);
  if (session != NULL && !SSL_SESSION_is_resumable(session)) {
    SSL_SESSION_free(session);
    session = NULL;
  }
  if (session == NULL) return;
  SSL_SESSION_free(*kept);
  *kept = session;
}

static void opened(connection *connection) {
  connection->state = CONNECTION_OPEN;
  connection->handlers->opened(connection);
}

static void receive_tls(connection *connection, size_t length) {
  BIO_write(SSL_get_rbio(connection->tls), read_buffer, (int)length);
  if (connection->state == CONNECTION_OPENING) {
    int status = SSL_do_handshake(connection->tls);
    int error = status == 1 ? SSL_ERROR_NONE : SSL_get_error(connection->tls, status);
    flush_tls(connection);
    if (error == SSL_ERROR_WANT_READ) return;
    if (error != SSL_ERROR_NONE) {
      fail(connection, FAULT_TLS);
      return;
    }
    opened(connection);
  }
  while (connection->state == CONNECTION_OPEN) {
    int got = SSL_read(connection->tls, plain_buffer, sizeof plain_buffer);
    if (got > 0) {
      keep_session(connection);
      deliver(connection, plain_buffer, (size_t)got);
      continue;
    }
    int error = SSL_get_error(connection->tls, got);
    flush_tls(connection);
    if (error == SSL_ERROR_ZERO_RETURN)
      fail(connection, FAULT_CLOSED);
    else if (error != SSL_ERROR_WANT_READ)
      fail(connection, FAULT_TLS);
    return;
  }
}

static void read_some(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  (void)buffer;
  connection *connection = stream->data;
  if (count == 0 || connection->state == CONNECTION_CLOSING) return;
  if (count < 0)
    fail(connection, connection->state == CONNECTION_OPENING ? FAULT_CONNECT : FAULT_CLOSED);
  else if (connection->tls != NULL)
    receive_tls(connection, (size_t)count);
  else
    deliver(connection, read_buffer, (size_t)count);
}

/* ---- Opening and closing ---- */

SSL_CTX *connection_make_tls(const char *authorities) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context == NULL) return NULL;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (authorities != NULL) {
    if (SSL_CTX_load_verify_file(context, authorities) != 1) {
      fprintf(stderr, "sluice-load: cannot read certificates from %s\n", authorities);
      SSL_CTX_free(context);
      return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  }
  return context;
}

static void begin_tls(connection *connection, const connector *connector) {
  connection->tls = SSL_new(connector->tls);
  SSL_set_bio(connection->tls, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  BIO_set_mem_eof_return(SSL_get_rbio(connection->tls), -1);
  SSL_set_connect_state(connection->tls);
  SSL_set_tlsext_host_name(connection->tls, connector->target->host);
  SSL_set1_host(connection->tls, connector->target->host);
  SSL_set_app_data(connection->tls, connector->session);
  if (connector->session != NULL && *connector->session != NULL)
    SSL_set_session(connection->tls, *connector->session);
}

static void connected(uv_connect_t *request, int status) {
  connection *connection = request->handle->data;
  if (connection->state == CONNECTION_CLOSING) return;
  if (status != 0) {
    fail(connection, FAULT_CONNECT);
    return;
  }
  uv_tcp_nodelay(&connection->tcp, 1);
  uv_read_start((uv_stream_t *)&connection->tcp, allocate, read_some);
  if (connection->tls == NULL) {
    opened(connection);
    return;
  }
  SSL_do_handshake(connection->tls);
  flush_tls(connection);
}

/* A socket that comes from 127.0.0.(2 + number): 28,000 ports are all that one address has toward
   one server, and servers limit the connections of one address. */
static int bound_socket(unsigned number) {
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  int on = 1;
  /* The port is chosen when the peer is known, so that ports are unique for each peer only. */
  setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number)};
  if (bind(descriptor, (struct sockaddr *)&address, sizeof address) == 0) return descriptor;
  close(descriptor);
  return -1;
}

/* Its end, be it that it was closed or that it could not even begin, which is told from the loop
   like every later failure. */
static void closed(uv_handle_t *handle) {
  connection *connection = handle->data;
  bool begun = connection->state == CONNECTION_CLOSING;
  connection->state = CONNECTION_CLOSED;
  bytes_free(&connection->rest);
  if (!begun) connection->handlers->ended(connection, FAULT_CONNECT);
  connection->handlers->closed(connection);
}

void connection_open(connection *connection, const connector *connector, unsigned source) {
  connection->state = CONNECTION_OPENING;
  uv_tcp_init(connector->loop, &connection->tcp);
  connection->tcp.data = connection;
  int status = 0;
  if (connector->sources > 0) {
    int descriptor = bound_socket(source % connector->sources);
    status = descriptor < 0 ? UV_EMFILE : uv_tcp_open(&connection->tcp, descriptor);
  }
  if (connector->tls != NULL) begin_tls(connection, connector);
  if (status == 0) {
    status = uv_tcp_connect(&connection->connecting, &connection->tcp,
                            (const struct sockaddr *)&connector->target->address, connected);
  }
  if (status != 0) uv_close((uv_handle_t *)&connection->tcp, closed);
}

void connection_close(connection *connection) {
  if (connection->state == CONNECTION_CLOSING) return;
  if (uv_is_closing((uv_handle_t *)&connection->tcp)) return; /* it never began */
  if (connection->tls != NULL && connection->state == CONNECTION_OPEN) {
    SSL_shutdown(connection->tls);
    flush_tls(connection);
  }
  SSL_free(connection->tls);
  connection->tls = NULL;
  if (connection->state == CONNECTION_CLOSED) return;
  connection->state = CONNECTION_CLOSING;
  uv_close((uv_handle_t *)&connection->tcp, closed);
}
