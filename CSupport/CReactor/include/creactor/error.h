#ifndef CREACTOR_ERROR_H
#define CREACTOR_ERROR_H

#include <stdint.h>

/* Who speaks: the code is kept by value in the speaker's own numbers. */
typedef enum cr_domain {
  CR_DOMAIN_NONE = 0,
  CR_DOMAIN_UV,       /* libuv, negative errno */
  CR_DOMAIN_RESOLVER, /* uv_getaddrinfo */
  CR_DOMAIN_TLS,      /* OpenSSL error or X509 verify result */
  CR_DOMAIN_HTTP,     /* cwire_http1_error of a peer's message */
  CR_DOMAIN_REACTOR,  /* cr_reason */
  /* The HTTP status that answered our WebSocket handshake (101: with fields that break the rules),
     or the close code that we sent because of what the peer did. */
  CR_DOMAIN_WEBSOCKET,
} cr_domain;

typedef enum cr_reason {
  CR_REASON_NONE = 0,
  CR_REASON_PEER_CLOSED,   /* end of stream */
  CR_REASON_TIMED_OUT,     /* connect, head, body or idle limit */
  CR_REASON_LIMIT,         /* a byte or count limit */
  CR_REASON_LOCAL,         /* this side asked for it */
  CR_REASON_LINE_TOO_LONG, /* a child's line beyond its limit */
  CR_REASON_NO_PROGRAM,    /* a child's program is not there, or not in its PATH */
  CR_REASON_NO_DIRECTORY,  /* nor is the directory it should run in */
  CR_REASON_RESTLESS,      /* too many key updates or handshakes asked for over TLS */
} cr_reason;

typedef struct cr_error {
  uint16_t domain; /* cr_domain */
  int32_t code;
} cr_error;

#define CR_OK ((cr_error){CR_DOMAIN_NONE, 0})
static inline int cr_failed(cr_error error) {
  return error.domain != CR_DOMAIN_NONE;
}

/* A sentence for people, written into `out` (always NUL-terminated). Returns its length. */
int cr_error_text(cr_error error, char *out, int capacity);

#endif
