#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CReactorPeers.h"

struct tls_client {
  SSL_CTX *context;
  SSL *ssl;
  BIO *in, *out;
  uint64_t sealed; /* records of TLS 1.2 that went out under its keys */
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
  if (options->ca != NULL) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    must(SSL_CTX_load_verify_file(context, options->ca) == 1);
  }
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
  enum { RECORD = 16 * 1024 };
  client->sealed += (length + RECORD - 1) / RECORD;
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

bool tls_client_update_keys(tls_client *client) {
  ERR_clear_error();
  return SSL_key_update(client->ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
         SSL_do_handshake(client->ssl) == 1;
}

/* ---- Records of TLS 1.2 made by hand: OpenSSL asks for a handshake once, and waits ---- */

enum { KEY = 16, SALT = 4, RANDOM = 32, HEADER = 5, NONCE = 8, TAG = 16, HANDSHAKE_RECORD = 22 };

/* The key and the salt that the client's records are sealed with (RFC 5246 section 6.3, RFC 5288
 * section 3). */
static bool derive(const tls_client *client, uint8_t key[KEY], uint8_t salt[SALT]) {
  uint8_t secret[SSL_MAX_MASTER_KEY_LENGTH], block[2 * KEY + 2 * SALT];
  uint8_t seed[13 + 2 * RANDOM] = "key expansion";
  size_t length = SSL_SESSION_get_master_key(SSL_get0_session(client->ssl), secret, sizeof secret);
  SSL_get_server_random(client->ssl, seed + 13, RANDOM);
  SSL_get_client_random(client->ssl, seed + 13 + RANDOM, RANDOM);
  EVP_KDF *kind = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
  EVP_KDF_CTX *kdf = EVP_KDF_CTX_new(kind);
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret, length),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof seed),
      OSSL_PARAM_construct_end(),
  };
  bool derived = EVP_KDF_derive(kdf, block, sizeof block, parameters) == 1;
  EVP_KDF_CTX_free(kdf);
  EVP_KDF_free(kind);
  memcpy(key, block, KEY);
  memcpy(salt, block + 2 * KEY, SALT);
  return derived;
}

static void put_number(uint8_t *out, uint64_t number) {
  for (int index = 7; index >= 0; index--, number >>= 8)
    out[index] = (uint8_t)number;
}

/* `record` has room for HEADER + NONCE + length + TAG bytes. */
static bool seal(tls_client *client, const uint8_t *plain, size_t length, uint8_t *record) {
  uint8_t key[KEY], nonce[SALT + NONCE], additional[8 + HEADER];
  if (!derive(client, key, nonce)) return false;
  size_t whole = NONCE + length + TAG;
  put_number(nonce + SALT, client->sealed + 1); /* the one of Finished was the first */
  put_number(additional, client->sealed + 1);
  memcpy(additional + 8,
         (uint8_t[]){HANDSHAKE_RECORD, 3, 3, (uint8_t)(length >> 8), (uint8_t)length}, HEADER);
  memcpy(record, (uint8_t[]){HANDSHAKE_RECORD, 3, 3, (uint8_t)(whole >> 8), (uint8_t)whole},
         HEADER);
  memcpy(record + HEADER, nonce + SALT, NONCE);
  EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
  int count;
  uint8_t *body = record + HEADER + NONCE;
  bool sealed = EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, key, nonce) == 1 &&
                EVP_EncryptUpdate(cipher, NULL, &count, additional, sizeof additional) == 1 &&
                EVP_EncryptUpdate(cipher, body, &count, plain, (int)length) == 1 &&
                EVP_EncryptFinal_ex(cipher, body + length, &count) == 1 &&
                EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG, body + length) == 1;
  EVP_CIPHER_CTX_free(cipher);
  client->sealed++;
  return sealed;
}

bool tls_client_ask_handshake(tls_client *client) {
  /* A ClientHello with one suite and no extensions. */
  uint8_t hello[4 + 2 + RANDOM + 1 + 4 + 2] = {1, 0, 0, 2 + RANDOM + 1 + 4 + 2, 3, 3};
  uint8_t *rest = hello + 4 + 2 + RANDOM + 1;
  memcpy(rest, (uint8_t[]){0, 2, 0xc0, 0x2f, 1, 0}, 6);
  uint8_t record[HEADER + NONCE + sizeof hello + TAG];
  return SSL_version(client->ssl) == TLS1_2_VERSION && seal(client, hello, sizeof hello, record) &&
         BIO_write(client->out, record, sizeof record) == (int)sizeof record;
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
