#ifndef CREACTOR_PEERS_H
#define CREACTOR_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The far ends that tests of the reactor's client side talk to: blocking code, one thread a
   connection, nothing shared with what is tested. */

/* What a server does with a request for `path`. */
typedef struct peer_reply {
  const char *path;
  const char *bytes; /* a whole message, or what the test wants to see in its place */
  size_t length;
  size_t slice;    /* bytes per send; 0: all in one */
  bool then_close; /* end the connection after it */
} peer_reply;

typedef struct peer_options {
  const peer_reply
      *replies; /* copied, with what they point to; a path that is not there is echoed */
  size_t count;
  const char *certificate, *key; /* PEM files; NULL: no TLS */
  const char *client_ca;         /* PEM file; NULL: no client certificate is asked for */
  bool old_tls;                  /* TLS 1.2 at most */
  uint32_t new_keys; /* TLS 1.3: how often it asks for them before it reads a body to echo */
} peer_options;

typedef struct peer peer;

/* Listens on 127.0.0.1; NULL on failure. A reply to an unknown path has the request's body. */
peer *peer_start(const peer_options *options);
uint16_t peer_port(const peer *peer);
uint32_t peer_accepted(const peer *peer);
/* Ends all its connections and waits for their threads. */
void peer_stop(peer *peer);

/* Writes NAME.pem and NAME.key into `folder`: ca, stranger (another CA), and, signed by ca:
   localhost (also 127.0.0.1), elsewhere (other.example), expired (localhost, until yesterday),
   wildcard (*.wild.example), client; and intruder, which has the name of client and is signed by
   stranger. */
bool peer_certificates_make(const char *folder);

/* Writes a certificate that signs itself and its key, both into one file. The signatures have one
   length, so that the same handshake has the same number of bytes each time. */
bool peer_identity_make(const char *path);

/* A TLS client without a socket: bytes in, bytes out. */
typedef struct tls_client tls_client;

typedef struct tls_client_options {
  const char *ca;   /* PEM file; NULL: any certificate will do */
  const char *name; /* what SNI says; NULL: nothing */
  const char *certificate, *key;
  const char *protocol; /* for ALPN; NULL: none */
  const char *ciphers;  /* of TLS 1.2; NULL: OpenSSL's */
  int oldest, newest;   /* 10, 11, 12, 13 for TLS 1.0 to 1.3; 0: OpenSSL's */
  tls_client *resumes;  /* whose session to offer; NULL: none */
} tls_client_options;

tls_client *tls_client_make(const tls_client_options *options);
void tls_client_free(tls_client *client);
void tls_client_feed(tls_client *client, const uint8_t *bytes, size_t length);
/* What it has to send. */
size_t tls_client_take(tls_client *client, uint8_t *out, size_t capacity);
/* 1: done; 0: wants bytes; -1: failed, see `tls_client_error`. */
int tls_client_handshake(tls_client *client);
bool tls_client_write(tls_client *client, const uint8_t *bytes, size_t length);
size_t tls_client_read(tls_client *client, uint8_t *out, size_t capacity);
void tls_client_shutdown(tls_client *client);
/* TLS 1.3: turns to new keys, and asks the server to do so too. False if that is not to be had. */
bool tls_client_update_keys(tls_client *client);
/* TLS 1.2 with AES128-GCM: asks for another handshake, as often as it is called and whatever the
   server says to it. Nothing but this can be sent afterwards. */
bool tls_client_ask_handshake(tls_client *client);
/* The server has signed its end. */
bool tls_client_ended(const tls_client *client);
bool tls_client_resumed(const tls_client *client);
/* The text of the last error, or of the server's alert; "" without. */
const char *tls_client_error(const tls_client *client);
/* The common name of the server's certificate. */
bool tls_client_server(const tls_client *client, char *out, size_t capacity);

/* A process with a reaper and one loop that has started `/bin/sh -c script`, whose child must print
   one line with process ids. That line is copied to `line`. The process then waits to be killed.
   Returns its pid. */
int64_t peer_parent_start(const char *script, bool stops, char *line, size_t capacity);
/* For one that `stops`: it ends its reaper instead of waiting, and then itself. True if it did. */
bool peer_parent_wait(int64_t pid);
/* SIGKILL, and reaped. */
void peer_parent_kill(int64_t pid);

/* The exit status that is told of a child that ends with `status`, by a process that was started
   with SIGCHLD ignored; -2 on failure. */
int64_t peer_status_with_sigchld_ignored(int status);

/* How many descriptors more than before a process has open after it has started `children`
   programs, half of which do not exist, and seen them end; -1 on failure. */
int peer_descriptors_leaked(uint32_t children);

/* What becomes of a connection that waits at a listener of a process out of descriptors: the
   listener is held meanwhile, then there are descriptors again, then it is let go. Both are the
   connections that were accepted by the end of that time; false on failure. */
typedef struct peer_starved {
  int32_t while_held, after;
} peer_starved;
bool peer_listener_starved(peer_starved *out);

/* The phases of a child (process/phase.h), by the same names and in the same order. */
typedef enum peer_child_phase {
  PEER_CHILD_STARTING,
  PEER_CHILD_FAILED,
  PEER_CHILD_RUNNING,
  PEER_CHILD_ASKED,
  PEER_CHILD_TERMINATED,
  PEER_CHILD_KILLED,
  PEER_CHILD_DRAINING,
  PEER_CHILD_ABANDONED,
  PEER_CHILD_GONE,
} peer_child_phase;
uint32_t peer_child_phases(void);
bool peer_child_may(peer_child_phase from, peer_child_phase to);

#endif
