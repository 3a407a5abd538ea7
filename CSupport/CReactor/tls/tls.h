#ifndef CREACTOR_TLS_TLS_H
#define CREACTOR_TLS_TLS_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "creactor/tls.h"

struct cr_tls_names;    /* names.c: which identity has which name */
struct cr_tls_tickets;  /* tickets.c: the keys of a server's tickets */
struct cr_tls_sessions; /* sessions.c: what servers gave a client to resume with */

struct cr_tls_context {
  SSL_CTX *ssl;    /* of a server: of the first identity */
  BIO_METHOD *bio; /* of bio.c; outlives every BIO as connections hold the context */
  atomic_uint references;
  bool verify;
  struct cr_tls_names *names;
  struct cr_tls_tickets *tickets;
  struct cr_tls_sessions *sessions;
};

cr_tls_context *cr_tls_context_retain(cr_tls_context *context);

/* What clients and servers have in common. Takes `ssl` over; NULL without memory. */
cr_tls_context *cr_tls_context_make(SSL_CTX *ssl);
/* Versions, ciphers and modes, for every SSL_CTX. */
bool cr_tls_harden(SSL_CTX *ssl);
/* The certificate and its key into `ssl`; `key_file` NULL: in the certificate's file. */
bool cr_tls_identify(SSL_CTX *ssl, const char *cert_file, const char *key_file, char *message,
                     size_t capacity);
/* The name or address that the server's certificate must have. */
bool cr_tls_expect_host(SSL *ssl, const char *host);
/* Writes "what 'file': reason", with OpenSSL's own reason. Always false. */
bool cr_tls_complain(char *message, size_t capacity, const char *what, const char *file);

/* The BIO that reads from and writes to the buffers of a TLS connection. NULL without memory. */
BIO_METHOD *cr_tls_bio_make(void);

/* Which identity of a server goes with which name; those beyond the first are kept here. NULL
   without memory. */
struct cr_tls_names *cr_tls_names_make(unsigned identities);
/* Takes an identity over. */
void cr_tls_names_keep(struct cr_tls_names *names, SSL_CTX *ssl);
/* Adds the names that the identity's certificate has; false without memory. */
bool cr_tls_names_learn(struct cr_tls_names *names, SSL_CTX *ssl);
/* NULL if no identity has that name. */
SSL_CTX *cr_tls_names_find(const struct cr_tls_names *names, const char *host);
void cr_tls_names_free(struct cr_tls_names *names);

/* Ticket keys of a server, held by its context and by those that renew it. Thread: any. */
struct cr_tls_tickets *cr_tls_tickets_make(void);
struct cr_tls_tickets *cr_tls_tickets_retain(struct cr_tls_tickets *tickets);
void cr_tls_tickets_free(struct cr_tls_tickets *tickets);
/* Makes `ssl` seal and open tickets with the keys of the context that is its app data. */
bool cr_tls_tickets_serve(SSL_CTX *ssl);
void cr_tls_tickets_rotate(struct cr_tls_tickets *tickets);

/* The newest session of each server that a client has met. Thread: any. */
struct cr_tls_sessions *cr_tls_sessions_make(SSL_CTX *ssl);
void cr_tls_sessions_free(struct cr_tls_sessions *sessions);
/* Offers what is stored for the server. What `ssl` is given is stored under its app data, which is
   `server` from now on and must outlive it. */
void cr_tls_sessions_use(struct cr_tls_sessions *sessions, SSL *ssl, const char *server);

#endif
