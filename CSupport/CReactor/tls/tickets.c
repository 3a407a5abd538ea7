#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/tls.h"

/* Sessions are kept by clients, sealed (RFC 5077 section 4): no memory here, and any loop can
 * resume what another began. A key seals for an hour and opens for as many more as there are older
 * places, so that one that leaks opens little. */

enum { KEYS = 3, SEALS_FOR = 60 * 60 };

typedef struct ticket_key {
  uint8_t name[16];
  uint8_t cipher[32];
  uint8_t mac[32];
} ticket_key;

struct cr_tls_tickets {
  atomic_uint references;
  pthread_mutex_t lock;
  ticket_key keys[KEYS]; /* the newest first */
  unsigned count;
  time_t since; /* the newest, on the monotonic clock */
};

static time_t seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static bool renew(struct cr_tls_tickets *tickets) {
  ticket_key fresh;
  if (RAND_priv_bytes((uint8_t *)&fresh, sizeof fresh) != 1) return false;
  memmove(tickets->keys + 1, tickets->keys, sizeof *tickets->keys * (KEYS - 1));
  tickets->keys[0] = fresh;
  OPENSSL_cleanse(&fresh, sizeof fresh);
  if (tickets->count < KEYS) tickets->count++;
  tickets->since = seconds();
  return true;
}

struct cr_tls_tickets *cr_tls_tickets_make(void) {
  struct cr_tls_tickets *tickets = calloc(1, sizeof *tickets);
  if (tickets == NULL || !renew(tickets)) {
    free(tickets);
    return NULL;
  }
  atomic_init(&tickets->references, 1);
  pthread_mutex_init(&tickets->lock, NULL);
  return tickets;
}

struct cr_tls_tickets *cr_tls_tickets_retain(struct cr_tls_tickets *tickets) {
  atomic_fetch_add_explicit(&tickets->references, 1, memory_order_relaxed);
  return tickets;
}

void cr_tls_tickets_free(struct cr_tls_tickets *tickets) {
  if (tickets == NULL) return;
  if (atomic_fetch_sub_explicit(&tickets->references, 1, memory_order_acq_rel) != 1) return;
  pthread_mutex_destroy(&tickets->lock);
  OPENSSL_cleanse(tickets->keys, sizeof tickets->keys);
  free(tickets);
}

void cr_tls_tickets_rotate(struct cr_tls_tickets *tickets) {
  pthread_mutex_lock(&tickets->lock);
  (void)renew(tickets);
  pthread_mutex_unlock(&tickets->lock);
}

/* A copy of the key that seals now, or of that with the name; its age, or -1. */
static int find_key(struct cr_tls_tickets *tickets, const uint8_t *name, ticket_key *out) {
  int found = -1;
  pthread_mutex_lock(&tickets->lock);
  /* Whatever was sealed by a key longer ago than all of them were in use is too old to open. */
  time_t age = seconds() - tickets->since;
  for (time_t turn = 0; turn < KEYS && age >= SEALS_FOR; turn++, age -= SEALS_FOR) {
    if (!renew(tickets)) break;
  }
  for (unsigned index = 0; index < tickets->count && found < 0; index++) {
    if (name == NULL || memcmp(tickets->keys[index].name, name, sizeof out->name) == 0) {
      *out = tickets->keys[index];
      found = (int)index;
    }
  }
  pthread_mutex_unlock(&tickets->lock);
  return found;
}

static bool start_mac(EVP_MAC_CTX *mac, ticket_key *key) {
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
      OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* -1: failed; 0: a full handshake; 1: go on; 2: go on, and seal it anew. */
static int use_key(SSL *ssl, unsigned char *name, unsigned char *vector, EVP_CIPHER_CTX *cipher,
                   EVP_MAC_CTX *mac, int sealing) {
  cr_tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  ticket_key key;
  int index = find_key(context->tickets, sealing ? NULL : name, &key);
  if (index < 0) return 0;
  bool ready;
  if (sealing) {
    memcpy(name, key.name, sizeof key.name);
    ready = RAND_bytes(vector, EVP_MAX_IV_LENGTH) == 1 &&
            EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, vector) == 1;
  } else {
    ready = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, vector) == 1;
  }
  ready = ready && start_mac(mac, &key);
  OPENSSL_cleanse(&key, sizeof key);
  if (!ready) return -1;
  return index == 0 ? 1 : 2;
}

bool cr_tls_tickets_serve(SSL_CTX *ssl) {
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(ssl, (KEYS - 1) * SEALS_FOR);
  return SSL_CTX_set_num_tickets(ssl, 1) == 1 &&
         SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, use_key) == 1;
}
