#ifndef CREACTOR_TLS_H
#define CREACTOR_TLS_H

#include <stdbool.h>
#include <stddef.h>

/* What connections need for TLS: trust and our own certificate. Shared by all loops;
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

/* A certificate of a server, with its key: PEM files, a chain each. */
typedef struct cr_tls_identity {
  const char *cert_file;
  const char *key_file; /* NULL: in the certificate's file */
} cr_tls_identity;

typedef enum cr_tls_client_auth {
  CR_TLS_CLIENT_OFF,
  CR_TLS_CLIENT_OPTIONAL, /* asked for; a bad one ends the handshake, none does not */
  CR_TLS_CLIENT_REQUIRED,
} cr_tls_client_auth;

typedef struct cr_tls_server_options {
  const cr_tls_identity *identities; /* the first serves names that no other covers */
  unsigned identity_count;
  const char *client_ca_file; /* needed unless `client_auth` is off */
  cr_tls_client_auth client_auth;
  /* NULL, or the context that this one takes the place of: its tickets stay good, unless who may
     show which client certificate has changed. */
  cr_tls_context *renews;
} cr_tls_server_options;

/* TLS 1.2 and 1.3, ALPN http/1.1, the identity chosen by SNI among the names of the certificates
 * (RFC 6066 section 3; `*.example.org` covers one label), resumption by tickets whose keys all
 * loops share and that change by the hour. NULL on failure, with a sentence in `message`. */
cr_tls_context *cr_tls_server_make(const cr_tls_server_options *options, char *message,
                                   size_t capacity);
/* Changes the ticket keys ahead of time; tickets of the last two stay good. */
void cr_tls_server_rotate(cr_tls_context *context);
void cr_tls_context_free(cr_tls_context *context);

#endif
