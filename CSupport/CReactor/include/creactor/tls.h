#ifndef CREACTOR_TLS_H
#define CREACTOR_TLS_H

#include <stdbool.h>
#include <stddef.h>

/* What client connections need for TLS: trust and our own certificate. Shared by all loops;
   connections hold it, so it may be freed while some of them live. Thread: any. */
typedef struct cr_tls_context cr_tls_context;

typedef struct cr_tls_client_options {
  const char *ca_file;   /* NULL: the system's roots */
  const char *cert_file; /* NULL: none; PEM chain */
  const char *key_file;
  bool verify; /* chain and host name; on unless somebody said otherwise in so many words */
} cr_tls_client_options;

/* NULL on failure, with a sentence in `message`. */
cr_tls_context *cr_tls_client_make(const cr_tls_client_options *options, char *message,
                                   size_t capacity);
void cr_tls_context_free(cr_tls_context *context);

#endif
