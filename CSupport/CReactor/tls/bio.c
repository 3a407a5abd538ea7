#include <openssl/err.h>
#include <string.h>

#include "tls/layer.h"

static int bio_read(BIO *bio, char *out, size_t capacity, size_t *taken) {
  cr_tls *tls = cr_tls_of(BIO_get_data(bio));
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
  cr_tls *tls = cr_tls_of(connection);
  if (!tls->direct || tls->outgoing != NULL || tls->sending != NULL || tls->status < 0) return 0;
  uv_buf_t piece = {.base = (char *)(uintptr_t)bytes, .len = count};
  ssize_t taken = tls->below->try_write(connection, &piece, 1);
  if (taken < 0 && taken != UV_EAGAIN) tls->status = (int)taken;
  return taken < 0 ? 0 : (size_t)taken;
}

static int bio_write(BIO *bio, const char *bytes, size_t count, size_t *taken) {
  cr_connection *connection = BIO_get_data(bio);
  cr_tls *tls = cr_tls_of(connection);
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

cr_error cr_tls_error(const cr_tls *tls) {
  long verified = tls->context->verify ? SSL_get_verify_result(tls->ssl) : X509_V_OK;
  if (verified != X509_V_OK) return (cr_error){CR_DOMAIN_TLS, (int32_t)verified};
  if (tls->out_of_memory) return cr_error_uv(UV_ENOMEM);
  unsigned long code = ERR_peek_error();
  if (code == 0) return cr_error_uv(UV_EPROTO);
  return (cr_error){CR_DOMAIN_TLS, (int32_t)code};
}
