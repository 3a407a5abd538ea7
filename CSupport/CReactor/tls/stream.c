#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/tls.h"

struct cr_tls_stream {
  SSL *ssl;
};

cr_tls_stream *cr_tls_stream_open(cr_tls_context *context, int descriptor, const char *host,
                                  char *message, size_t capacity) {
  ERR_clear_error();
  cr_tls_stream *stream = calloc(1, sizeof *stream);
  SSL *ssl = SSL_new(context->ssl);
  bool ready = stream != NULL && ssl != NULL && SSL_set_fd(ssl, descriptor) == 1 &&
               cr_tls_expect_host(ssl, host);
  if (ready && SSL_connect(ssl) == 1) {
    stream->ssl = ssl;
    return stream;
  }
  int reason = errno;
  long verified = ssl == NULL || !context->verify ? X509_V_OK : SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    snprintf(message, capacity, "the server's certificate was refused: %s",
             X509_verify_cert_error_string(verified));
  } else if (ERR_peek_error() == 0) {
    snprintf(message, capacity, "the TLS handshake broke off: %s",
             reason == 0 ? "the server closed the connection" : strerror(reason));
  } else {
    cr_tls_complain(message, capacity, "the TLS handshake failed", NULL);
  }
  SSL_free(ssl);
  free(stream);
  return NULL;
}

ptrdiff_t cr_tls_stream_read(cr_tls_stream *stream, void *out, size_t capacity) {
  size_t got = 0;
  ERR_clear_error();
  if (SSL_read_ex(stream->ssl, out, capacity, &got) == 1) return (ptrdiff_t)got;
  /* An end that nobody signed may be a cut by somebody in between (RFC 8446 section 6.1). */
  return SSL_get_error(stream->ssl, 0) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

bool cr_tls_stream_write(cr_tls_stream *stream, const void *bytes, size_t length) {
  size_t written = 0;
  ERR_clear_error();
  return length == 0 || SSL_write_ex(stream->ssl, bytes, length, &written) == 1;
}

void cr_tls_stream_free(cr_tls_stream *stream) {
  if (stream == NULL) return;
  ERR_clear_error();
  SSL_shutdown(stream->ssl);
  SSL_free(stream->ssl);
  free(stream);
}
