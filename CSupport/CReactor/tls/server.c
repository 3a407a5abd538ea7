#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "tls/tls.h"

/* Policy of the server side: which certificate for which name, which clients, which protocol. */

static int choose_identity(SSL *ssl, int *alert, void *argument) {
  (void)alert;
  const cr_tls_context *context = argument;
  const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  SSL_CTX *chosen = host == NULL ? NULL : cr_tls_names_find(context->names, host);
  if (chosen == NULL) return SSL_TLSEXT_ERR_NOACK;
  if (chosen != context->ssl) SSL_set_SSL_CTX(ssl, chosen);
  return SSL_TLSEXT_ERR_OK;
}

/* Somebody who offers protocols and not ours would speak none that we know (RFC 7301 section 3.2).
 */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *length,
                           const unsigned char *offered, unsigned offered_length, void *argument) {
  (void)ssl, (void)argument;
  static const unsigned char ours[] = "\x08http/1.1";
  unsigned char *chosen;
  if (SSL_select_next_proto(&chosen, length, ours, sizeof ours - 1, offered, offered_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/* ---- Clients' certificates ---- */

/* What a session was begun under: one that was begun under other rules is not resumed. */
static bool name_rules(SSL_CTX *ssl, const cr_tls_server_options *options, const char *roots,
                       size_t length) {
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  uint8_t rules[EVP_MAX_MD_SIZE], mode = (uint8_t)options->client_auth;
  unsigned size = 0;
  bool named = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
               EVP_DigestUpdate(digest, &mode, 1) == 1 &&
               EVP_DigestUpdate(digest, roots, length) == 1 &&
               EVP_DigestFinal_ex(digest, rules, &size) == 1 &&
               SSL_CTX_set_session_id_context(ssl, rules, size) == 1;
  EVP_MD_CTX_free(digest);
  return named;
}

static bool ask_clients(SSL_CTX *ssl, const cr_tls_server_options *options, char *message,
                        size_t capacity) {
  if (options->client_auth == CR_TLS_CLIENT_OFF) return name_rules(ssl, options, "", 0);
  const char *file = options->client_ca_file;
  if (file == NULL) {
    snprintf(message, capacity, "client certificates need roots that they lead to");
    return false;
  }
  ERR_clear_error();
  /* The same bytes make the name of the rules and the trust: the file may change in between. */
  BIO *content = BIO_new_file(file, "r"), *copy = BIO_new(BIO_s_mem());
  char part[4096];
  int got;
  while (content != NULL && copy != NULL && (got = BIO_read(content, part, sizeof part)) > 0)
    BIO_write(copy, part, got);
  char *roots = NULL;
  long length = copy == NULL ? 0 : BIO_get_mem_data(copy, &roots);
  bool trusted = content != NULL && length > 0 && name_rules(ssl, options, roots, (size_t)length);
  STACK_OF(X509_INFO) *all = trusted ? PEM_X509_INFO_read_bio(copy, NULL, NULL, NULL) : NULL;
  X509_STORE *store = SSL_CTX_get_cert_store(ssl);
  int count = 0;
  for (int index = 0; trusted && index < sk_X509_INFO_num(all); index++) {
    const X509_INFO *info = sk_X509_INFO_value(all, index);
    if (info->x509 != NULL) {
      trusted = X509_STORE_add_cert(store, info->x509) == 1 &&
                SSL_CTX_add_client_CA(ssl, info->x509) == 1;
      count++;
    }
    if (info->crl != NULL) {
      trusted = trusted && X509_STORE_add_crl(store, info->crl) == 1 &&
                X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1;
    }
  }
  sk_X509_INFO_pop_free(all, X509_INFO_free);
  BIO_free(content);
  BIO_free(copy);
  if (!trusted || count == 0) {
    if (ERR_peek_error() == 0) ERR_raise(ERR_LIB_PEM, PEM_R_NO_START_LINE);
    return cr_tls_complain(message, capacity, "cannot read the roots of client certificates from",
                           file);
  }
  int mode = SSL_VERIFY_PEER;
  if (options->client_auth == CR_TLS_CLIENT_REQUIRED) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(ssl, mode, NULL);
  return true;
}

/* ---- Making ---- */

static bool configure(cr_tls_context *context, SSL_CTX *ssl, const cr_tls_identity *identity,
                      const cr_tls_server_options *options, char *message, size_t capacity) {
  SSL_CTX_set_app_data(ssl, context);
  /* The client's preference counts only for ChaCha20, which those without AES in hardware put
     first. */
  SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
  SSL_CTX_set_tlsext_servername_callback(ssl, choose_identity);
  SSL_CTX_set_tlsext_servername_arg(ssl, context);
  if (!cr_tls_identify(ssl, identity->cert_file, identity->key_file, message, capacity)) {
    return false;
  }
  if (!ask_clients(ssl, options, message, capacity)) return false;
  if (cr_tls_tickets_serve(ssl) && cr_tls_names_learn(context->names, ssl)) return true;
  snprintf(message, capacity, "out of memory");
  return false;
}

static bool configure_all(cr_tls_context *context, const cr_tls_server_options *options,
                          char *message, size_t capacity) {
  context->names = cr_tls_names_make(options->identity_count);
  context->tickets = options->renews == NULL ? cr_tls_tickets_make()
                                             : cr_tls_tickets_retain(options->renews->tickets);
  if (context->names == NULL || context->tickets == NULL) {
    snprintf(message, capacity, "out of memory");
    return false;
  }
  for (unsigned index = 0; index < options->identity_count; index++) {
    SSL_CTX *ssl = context->ssl;
    if (index > 0) {
      ssl = SSL_CTX_new(TLS_server_method());
      if (ssl == NULL || !cr_tls_harden(ssl)) {
        SSL_CTX_free(ssl);
        snprintf(message, capacity, "out of memory");
        return false;
      }
      cr_tls_names_keep(context->names, ssl);
    }
    if (!configure(context, ssl, &options->identities[index], options, message, capacity)) {
      return false;
    }
  }
  return true;
}

cr_tls_context *cr_tls_server_make(const cr_tls_server_options *options, char *message,
                                   size_t capacity) {
  ERR_clear_error();
  if (options->identity_count == 0) {
    snprintf(message, capacity, "a server needs a certificate");
    return NULL;
  }
  cr_tls_context *context = cr_tls_context_make(SSL_CTX_new(TLS_server_method()));
  if (context == NULL) {
    snprintf(message, capacity, "out of memory");
    return NULL;
  }
  context->verify = options->client_auth != CR_TLS_CLIENT_OFF;
  if (configure_all(context, options, message, capacity)) return context;
  cr_tls_context_free(context);
  return NULL;
}

void cr_tls_server_rotate(cr_tls_context *context) {
  cr_tls_tickets_rotate(context->tickets);
}
