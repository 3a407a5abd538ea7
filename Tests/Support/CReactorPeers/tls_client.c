#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CReactorPeers.h"

struct tls_client {
  SSL_CTX *context;
  SSL *ssl;
  BIO *in, *out;
  char error[160];
};

static int version(int number) {
  switch (number) {
  case 10:
    return TLS1_VERSION;
  case 11:
    return TLS1_1_VERSION;
  case 12:
    return TLS1_2_VERSION;
  case 13:
    return TLS1_3_VERSION;
  default:
    return 0;
  }
}

static void note(tls_client *client) {
  unsigned long code = ERR_peek_last_error();
  const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
  if (reason != NULL) snprintf(client->error, sizeof client->error, "%s", reason);
  ERR_clear_error();
}

static void must(bool holds) {
  if (!holds) abort();
}

tls_client *tls_client_make(const tls_client_options *options) {
  tls_client *client = calloc(1, sizeof *client);
  if (client == NULL) return NULL;
  client->context = SSL_CTX_new(TLS_client_method());
  SSL_CTX *context = client->context;
  /* To be refused by the server, it must be let out of here. */
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, version(options->oldest));
  SSL_CTX_set_max_proto_version(context, version(options->newest));
  if (options->ciphers != NULL) must(SSL_CTX_set_cipher_list(context, options->ciphers) == 1);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  must(SSL_CTX_load_verify_file(context, options->ca) == 1);
  if (options->certificate != NULL) {
    must(SSL_CTX_use_certificate_chain_file(context, options->certificate) == 1 &&
         SSL_CTX_use_PrivateKey_file(context, options->key, SSL_FILETYPE_PEM) == 1);
  }
  client->ssl = SSL_new(context);
  client->in = BIO_new(BIO_s_mem());
  client->out = BIO_new(BIO_s_mem());
  SSL_set_bio(client->ssl, client->in, client->out);
  SSL_set_connect_state(client->ssl);
  if (options->name != NULL) SSL_set_tlsext_host_name(client->ssl, options->name);
  if (options->protocol != NULL) {
    unsigned char list[64];
    size_t length = strlen(options->protocol);
    list[0] = (unsigned char)length;
    memcpy(list + 1, options->protocol, length);
    SSL_set_alpn_protos(client->ssl, list, (unsigned)length + 1);
  }
  if (options->resumes != NULL) {
    must(SSL_set_session(client->ssl, SSL_get0_session(options->resumes->ssl)) == 1);
  }
  return client;
}

void tls_client_free(tls_client *client) {
  /* Or OpenSSL holds the session for spoilt. */
  SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(client->ssl);
  SSL_CTX_free(client->context);
  free(client);
}

void tls_client_feed(tls_client *client, const uint8_t *bytes, size_t length) {
  must(BIO_write(client->in, bytes, (int)length) == (int)length);
}

size_t tls_client_take(tls_client *client, uint8_t *out, size_t capacity) {
  int count = BIO_read(client->out, out, (int)capacity);
  return count > 0 ? (size_t)count : 0;
}

int tls_client_handshake(tls_client *client) {
  ERR_clear_error();
  int result = SSL_do_handshake(client->ssl);
  if (result == 1) return 1;
  if (SSL_get_error(client->ssl, result) == SSL_ERROR_WANT_READ) return 0;
  note(client);
  return -1;
}

bool tls_client_write(tls_client *client, const uint8_t *bytes, size_t length) {
  ERR_clear_error();
  return SSL_write(client->ssl, bytes, (int)length) == (int)length;
}

size_t tls_client_read(tls_client *client, uint8_t *out, size_t capacity) {
  ERR_clear_error();
  int count = SSL_read(client->ssl, out, (int)capacity);
  if (count > 0) return (size_t)count;
  note(client);
  return 0;
}

void tls_client_shutdown(tls_client *client) {
  ERR_clear_error();
  SSL_shutdown(client->ssl);
}

bool tls_client_ended(const tls_client *client) {
  return (SSL_get_shutdown(client->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool tls_client_resumed(const tls_client *client) {
  return SSL_session_reused(client->ssl) == 1;
}

const char *tls_client_error(const tls_client *client) {
  return client->error;
}

bool tls_client_server(const tls_client *client, char *out, size_t capacity) {
  X509 *certificate = SSL_get0_peer_certificate(client->ssl);
  if (certificate == NULL) return false;
  X509_NAME *name = X509_get_subject_name(certificate);
  return X509_NAME_get_text_by_NID(name, NID_commonName, out, (int)capacity) > 0;
}
