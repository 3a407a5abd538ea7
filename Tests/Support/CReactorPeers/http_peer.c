#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CReactorPeers.h"

enum { MAX_CONNECTIONS = 256, MAX_HEAD = 16384 };

typedef struct connection {
  peer *peer;
  int descriptor;
  SSL *tls;
  pthread_t thread;
} connection;

struct peer {
  peer_reply *replies;
  size_t count;
  SSL_CTX *tls;
  uint32_t new_keys;
  int listener;
  uint16_t port;
  pthread_t thread;
  atomic_uint accepted;
  connection connections[MAX_CONNECTIONS];
};

static ssize_t receive(connection *connection, void *out, size_t capacity) {
  if (connection->tls == NULL) return recv(connection->descriptor, out, capacity, 0);
  return SSL_read(connection->tls, out, (int)capacity);
}

static bool send_all(connection *connection, const char *bytes, size_t length, size_t slice) {
  while (length > 0) {
    size_t part = slice == 0 || slice > length ? length : slice;
    ssize_t sent = connection->tls == NULL ? send(connection->descriptor, bytes, part, MSG_NOSIGNAL)
                                           : SSL_write(connection->tls, bytes, (int)part);
    if (sent <= 0) return false;
    bytes += sent;
    length -= (size_t)sent;
  }
  return true;
}

static const peer_reply *find_reply(const peer *peer, const char *head) {
  const char *target = strchr(head, ' ');
  if (target == NULL) return NULL;
  target++;
  size_t length = strcspn(target, " ");
  for (size_t i = 0; i < peer->count; i++) {
    const char *path = peer->replies[i].path;
    if (strlen(path) == length && memcmp(path, target, length) == 0) return &peer->replies[i];
  }
  return NULL;
}

/* Asks for new keys while the client, whose bytes nobody reads, can't send on. */
static void ask_for_keys(connection *connection) {
  enum { FILLED_US = 50 * 1000 };
  if (connection->peer->new_keys == 0) return;
  usleep(FILLED_US);
  for (uint32_t i = 0; i < connection->peer->new_keys; i++) {
    SSL_key_update(connection->tls, SSL_KEY_UPDATE_REQUESTED);
    if (SSL_do_handshake(connection->tls) != 1) break;
  }
  usleep(FILLED_US);
}

static bool echo(connection *connection, const char *start, size_t have, size_t length) {
  char head[96];
  char *body = malloc(length + 1);
  if (body == NULL) return false;
  memcpy(body, start, have);
  ask_for_keys(connection);
  while (have < length) {
    ssize_t got = receive(connection, body + have, length - have);
    if (got <= 0) break;
    have += (size_t)got;
  }
  int head_length =
      snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", length);
  bool sent = have == length && send_all(connection, head, (size_t)head_length, 0) &&
              send_all(connection, body, length, 0);
  free(body);
  return sent;
}

/* One request and its answer; false when the connection is to end. */
static bool exchange(connection *connection) {
  char head[MAX_HEAD + 1];
  size_t have = 0;
  char *end = NULL;
  while (end == NULL) {
    ssize_t got = have == MAX_HEAD ? 0 : receive(connection, head + have, MAX_HEAD - have);
    if (got <= 0) return false;
    have += (size_t)got;
    head[have] = '\0';
    end = strstr(head, "\r\n\r\n");
  }
  const char *body = end + 4;
  size_t body_have = have - (size_t)(body - head);
  const char *declared = strstr(head, "Content-Length: ");
  size_t length = declared == NULL || declared > end ? 0 : strtoul(declared + 16, NULL, 10);
  const peer_reply *reply = find_reply(connection->peer, head);
  if (reply == NULL) return echo(connection, body, body_have < length ? body_have : length, length);
  return send_all(connection, reply->bytes, reply->length, reply->slice) && !reply->then_close;
}

static void *serve(void *argument) {
  connection *connection = argument;
  peer *peer = connection->peer;
  bool ready = true;
  if (peer->tls != NULL) {
    connection->tls = SSL_new(peer->tls);
    SSL_set_fd(connection->tls, connection->descriptor);
    ready = SSL_accept(connection->tls) == 1;
  }
  while (ready && exchange(connection)) {
  }
  if (connection->tls != NULL) {
    if (ready) SSL_shutdown(connection->tls);
    SSL_free(connection->tls);
  }
  shutdown(connection->descriptor, SHUT_RDWR);
  return NULL;
}

static void *accept_all(void *argument) {
  peer *peer = argument;
  for (;;) {
    int descriptor = accept(peer->listener, NULL, NULL);
    unsigned index = atomic_load(&peer->accepted);
    if (descriptor < 0 || index == MAX_CONNECTIONS) return NULL;
    connection *connection = &peer->connections[index];
    connection->peer = peer;
    connection->descriptor = descriptor;
    atomic_store(&peer->accepted, index + 1);
    if (pthread_create(&connection->thread, NULL, serve, connection) != 0) abort();
  }
}

static SSL_CTX *server_context(const peer_options *options) {
  SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(tls, options->certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(tls, options->key, SSL_FILETYPE_PEM) != 1) {
    abort();
  }
  if (options->old_tls) SSL_CTX_set_max_proto_version(tls, TLS1_2_VERSION);
  if (options->client_ca != NULL) {
    if (SSL_CTX_load_verify_file(tls, options->client_ca) != 1) abort();
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  }
  return tls;
}

peer *peer_start(const peer_options *options) {
  peer *peer = calloc(1, sizeof *peer);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (peer == NULL) return NULL;
  peer->count = options->count;
  peer->new_keys = options->new_keys;
  peer->replies = calloc(options->count + 1, sizeof *peer->replies);
  for (size_t i = 0; i < options->count; i++) {
    peer->replies[i] = options->replies[i];
    peer->replies[i].path = strdup(options->replies[i].path);
    char *bytes = malloc(options->replies[i].length + 1);
    memcpy(bytes, options->replies[i].bytes, options->replies[i].length);
    peer->replies[i].bytes = bytes;
  }
  if (options->certificate != NULL) peer->tls = server_context(options);
  peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (peer->listener < 0 ||
      bind(peer->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(peer->listener, 128) != 0 ||
      getsockname(peer->listener, (struct sockaddr *)&address, &length) != 0 ||
      pthread_create(&peer->thread, NULL, accept_all, peer) != 0) {
    abort();
  }
  peer->port = ntohs(address.sin_port);
  return peer;
}

uint16_t peer_port(const peer *peer) {
  return peer->port;
}

uint32_t peer_accepted(const peer *peer) {
  return atomic_load(&peer->accepted);
}

void peer_stop(peer *peer) {
  shutdown(peer->listener, SHUT_RDWR); /* `accept` returns */
  pthread_join(peer->thread, NULL);
  close(peer->listener);
  for (unsigned i = 0; i < atomic_load(&peer->accepted); i++) {
    shutdown(peer->connections[i].descriptor, SHUT_RDWR);
    pthread_join(peer->connections[i].thread, NULL);
    close(peer->connections[i].descriptor);
  }
  for (size_t i = 0; i < peer->count; i++) {
    free((char *)peer->replies[i].path);
    free((char *)peer->replies[i].bytes);
  }
  SSL_CTX_free(peer->tls);
  free(peer->replies);
  free(peer);
}
