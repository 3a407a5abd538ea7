#define _GNU_SOURCE

#include "tls/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* Policy of TLS: versions, trust, certificates. How its bytes travel is in tls/transport.c. */

static const unsigned char http1_only[] = "\x08http/1.1";

/* OpenSSL would ask on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context) {
  (void)buffer, (void)size, (void)writing, (void)context;
  return -1;
}

/* The first error is the cause, what follows it only says where OpenSSL met it. */
bool cr_tls_complain(char *message, size_t capacity, const char *what, const char *file) {
  unsigned long code = ERR_peek_error();
  char scratch[128];
  const char *reason = NULL;
  if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
    reason = "it has none in PEM form";
  else if (ERR_SYSTEM_ERROR(code))
    reason = strerror_r(ERR_GET_REASON(code), scratch, sizeof scratch);
  else if (code != 0)
    reason = ERR_reason_error_string(code);
  if (reason == NULL) reason = "unknown reason";
  if (file == NULL)
    snprintf(message, capacity, "%s: %s", what, reason);
  else
    snprintf(message, capacity, "%s '%s': %s", what, file, reason);
  return false;
}

static bool trust(SSL_CTX *ssl, const cr_tls_client_options *options, char *message,
                  size_t capacity) {
  if (options->ca_file == NULL) {
    if (SSL_CTX_set_default_verify_paths(ssl) == 1) return true;
    return cr_tls_complain(message, capacity, "cannot load the system's root certificates", NULL);
  }
  if (SSL_CTX_load_verify_file(ssl, options->ca_file) == 1) return true;
  return cr_tls_complain(message, capacity, "cannot read root certificates from", options->ca_file);
}

bool cr_tls_identify(SSL_CTX *ssl, const char *cert_file, const char *key_file, char *message,
                     size_t capacity) {
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(ssl, cert_file) != 1) {
    return cr_tls_complain(message, capacity, "cannot read a certificate from", cert_file);
  }
  const char *key = key_file == NULL ? cert_file : key_file;
  if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) == 1) return true;
  unsigned long code = ERR_peek_error();
  if ((ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_BAD_PASSWORD_READ) ||
      ERR_GET_REASON(code) == ERR_R_INTERRUPTED_OR_CANCELLED) {
    snprintf(message, capacity, "the private key in '%s' is encrypted; give one that is not", key);
    return false;
  }
  if (ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER) {
    snprintf(message, capacity, "there is no private key in '%s'", key);
    return false;
  }
  if (ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH) {
    snprintf(message, capacity,
             "the private key in '%s' does not belong to the certificate in '%s'", key, cert_file);
    return false;
  }
  return cr_tls_complain(message, capacity, "cannot read a private key from", key);
}

/* Forward secrecy and authenticated encryption only (RFC 9325 sections 4.1 and 4.2). */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char groups[] = "X25519:P-256:P-384";
static const char signatures[] =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:RSA-PSS+SHA256:RSA-PSS+SHA384:"
    "RSA-PSS+SHA512:rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:RSA+SHA256:RSA+SHA384:"
    "RSA+SHA512";

bool cr_tls_harden(SSL_CTX *ssl) {
  /* Buffers go back while a connection idles; a queued write may be tried again from elsewhere. */
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
  /* A record's head and body come from the BIO in one piece: it has all of them at hand. */
  SSL_CTX_set_read_ahead(ssl, 1);
  SSL_CTX_set_security_level(ssl, 2);
  return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(ssl, ciphers) == 1 && SSL_CTX_set_ciphersuites(ssl, suites) == 1 &&
         SSL_CTX_set1_groups_list(ssl, groups) == 1 &&
         SSL_CTX_set1_sigalgs_list(ssl, signatures) == 1;
}

cr_tls_context *cr_tls_context_make(SSL_CTX *ssl) {
  cr_tls_context *context = calloc(1, sizeof *context);
  BIO_METHOD *bio = cr_tls_bio_make();
  if (ssl == NULL || context == NULL || bio == NULL || !cr_tls_harden(ssl)) {
    SSL_CTX_free(ssl);
    BIO_meth_free(bio);
    free(context);
    return NULL;
  }
  SSL_CTX_set_app_data(ssl, context);
  context->ssl = ssl;
  context->bio = bio;
  atomic_init(&context->references, 1);
  return context;
}

cr_tls_context *cr_tls_client_make(const cr_tls_client_options *options, char *message,
                                   size_t capacity) {
  ERR_clear_error();
  cr_tls_context *context = cr_tls_context_make(SSL_CTX_new(TLS_client_method()));
  if (context == NULL) {
    snprintf(message, capacity, "out of memory");
    return NULL;
  }
  context->sessions = cr_tls_sessions_make(context->ssl);
  context->verify = options->verify;
  SSL_CTX_set_verify(context->ssl, options->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_alpn_protos(context->ssl, http1_only, sizeof http1_only - 1);
  if ((!options->verify || trust(context->ssl, options, message, capacity)) &&
      (options->cert_file == NULL ||
       cr_tls_identify(context->ssl, options->cert_file, options->key_file, message, capacity))) {
    return context;
  }
  cr_tls_context_free(context);
  return NULL;
}

/* Names only are told the server, so that it may choose a certificate (RFC 6066 section 3 has no
 * addresses). */
bool cr_tls_expect_host(SSL *ssl, const char *host) {
  unsigned char address[16];
  if (uv_inet_pton(AF_INET, host, address) == 0 || uv_inet_pton(AF_INET6, host, address) == 0) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
  }
  X509_VERIFY_PARAM_set_hostflags(SSL_get0_param(ssl), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

cr_tls_context *cr_tls_context_retain(cr_tls_context *context) {
  atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
  return context;
}

void cr_tls_context_free(cr_tls_context *context) {
  if (context == NULL) return;
  if (atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) != 1) return;
  cr_tls_names_free(context->names);
  SSL_CTX_free(context->ssl);
  BIO_meth_free(context->bio);
  cr_tls_tickets_free(context->tickets);
  cr_tls_sessions_free(context->sessions);
  free(context);
}
