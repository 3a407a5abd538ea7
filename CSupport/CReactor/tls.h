#ifndef CREACTOR_PRIVATE_TLS_H
#define CREACTOR_PRIVATE_TLS_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "creactor/tls.h"

struct cr_tls_context {
  SSL_CTX *ssl;
  BIO_METHOD *bio; /* of transport_tls.c; outlives every BIO as connections hold the context */
  atomic_uint references;
  bool verify;
};

cr_tls_context *cr_tls_context_retain(cr_tls_context *context);

/* The BIO that reads from and writes to the buffers of a TLS connection. NULL without memory. */
BIO_METHOD *cr_tls_bio_make(void);

#endif
