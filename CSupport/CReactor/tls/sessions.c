#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tls/tls.h"

/* Kept encoded: an SSL_SESSION in use by two loops at once would be written to by both. */

enum { SERVERS = 16, LONGEST = 16 * 1024 };

typedef struct stored_session {
  char *server; /* "host@address:port"; NULL: a free place */
  uint8_t *bytes;
  int length;
} stored_session;

struct cr_tls_sessions {
  pthread_mutex_t lock;
  stored_session places[SERVERS];
  unsigned next; /* the place that is given up for a new server when all are taken */
};

static stored_session *find(struct cr_tls_sessions *sessions, const char *server) {
  for (unsigned index = 0; index < SERVERS; index++) {
    stored_session *place = &sessions->places[index];
    if (place->server != NULL && strcmp(place->server, server) == 0) return place;
  }
  return NULL;
}

static void clear(stored_session *place) {
  free(place->server);
  if (place->bytes != NULL) OPENSSL_cleanse(place->bytes, (size_t)place->length);
  free(place->bytes);
  *place = (stored_session){0};
}

/* Takes `bytes` over. */
static void store(struct cr_tls_sessions *sessions, const char *server, uint8_t *bytes,
                  int length) {
  char *name = strdup(server);
  pthread_mutex_lock(&sessions->lock);
  stored_session *place = find(sessions, server);
  if (place == NULL) {
    place = &sessions->places[sessions->next];
    sessions->next = (sessions->next + 1) % SERVERS;
  }
  clear(place);
  if (name != NULL) *place = (stored_session){.server = name, .bytes = bytes, .length = length};
  pthread_mutex_unlock(&sessions->lock);
  if (name == NULL) free(bytes);
}

/* TLS 1.3 gives sessions after the handshake, and newer ones as it likes (RFC 8446 section 4.6.1).
 */
static int was_given(SSL *ssl, SSL_SESSION *session) {
  cr_tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  const char *server = SSL_get_app_data(ssl);
  int length = i2d_SSL_SESSION(session, NULL);
  if (server == NULL || length <= 0 || length > LONGEST) return 0;
  if (!SSL_SESSION_is_resumable(session)) return 0;
  uint8_t *bytes = malloc((size_t)length), *end = bytes;
  if (bytes == NULL) return 0;
  i2d_SSL_SESSION(session, &end);
  store(context->sessions, server, bytes, length);
  return 0; /* not kept itself */
}

void cr_tls_sessions_use(struct cr_tls_sessions *sessions, SSL *ssl, const char *server) {
  SSL_set_app_data(ssl, (void *)(uintptr_t)server);
  SSL_SESSION *session = NULL;
  pthread_mutex_lock(&sessions->lock);
  const stored_session *place = find(sessions, server);
  if (place != NULL) {
    const uint8_t *bytes = place->bytes;
    session = d2i_SSL_SESSION(NULL, &bytes, place->length);
  }
  pthread_mutex_unlock(&sessions->lock);
  if (session != NULL) (void)SSL_set_session(ssl, session); /* without it, all from the start */
  SSL_SESSION_free(session);
}

struct cr_tls_sessions *cr_tls_sessions_make(SSL_CTX *ssl) {
  struct cr_tls_sessions *sessions = calloc(1, sizeof *sessions);
  if (sessions == NULL) return NULL;
  pthread_mutex_init(&sessions->lock, NULL);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ssl, was_given);
  return sessions;
}

void cr_tls_sessions_free(struct cr_tls_sessions *sessions) {
  if (sessions == NULL) return;
  for (unsigned index = 0; index < SERVERS; index++)
    clear(&sessions->places[index]);
  pthread_mutex_destroy(&sessions->lock);
  free(sessions);
}
