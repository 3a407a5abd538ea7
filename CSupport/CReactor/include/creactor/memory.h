#ifndef CREACTOR_MEMORY_H
#define CREACTOR_MEMORY_H

#include "creactor/http.h"
#include "creactor/listener.h"

/* The in-memory transport: the far end of a connection is held by a test, with no descriptor and no
   thread. Faults are planned per direction. */
typedef struct cr_memory_peer cr_memory_peer;

typedef struct cr_fault_plan {
  uint32_t max_write;   /* bytes the transport takes per write; 0 = all */
  uint32_t again_every; /* every n-th write answers EAGAIN first; 0 = never */
  uint64_t reset_after; /* bytes written by the gateway until the connection is reset; 0 = never */
} cr_fault_plan;

/* A downstream connection that arrives at a listener of this loop made by `cr_memory_listen`, from
   127.0.0.1. NULL if a limit turns it away. */
cr_listener *cr_memory_listen(cr_loop *loop, uint32_t label, const cr_http_limits *limits);
cr_memory_peer *cr_memory_accept(cr_loop *loop, cr_listener *listener, const cr_fault_plan *faults);

/* From now on, client connections of this loop to `host` are handed to `arrived` instead of a
   socket, or refused if that is NULL. The latest call for a host counts. So are children whose
   command is that name: what the peer gets is their input, what it sends their output, and its end
   their own, with status 0; there is no process, so none gets a signal but SIGKILL. */
void cr_memory_intercept(cr_loop *loop, const char *host,
                         void (*arrived)(void *context, cr_memory_peer *peer), void *context);

/* From now on names are looked up by this instead of the system's resolver: it writes the numeric
   addresses of `host`, separated by spaces, and returns 0, or a negative UV_EAI code. Each call is
   on a thread of its own, and may outlive the loop. */
typedef int cr_lookup_function(void *context, const char *host, char *addresses, size_t capacity);
void cr_memory_lookup(cr_loop *loop, cr_lookup_function *function, void *context);

/* The test's end: bytes toward the gateway, bytes from it, orderly end, reset.
   `cr_memory_peer_plan` gives it faults from now on: a connection to an upstream begins without
   any. `cr_memory_peer_take` moves out up to `capacity` bytes written by the gateway. Freed by
   `cr_memory_peer_free`. */
void cr_memory_peer_send(cr_memory_peer *peer, cwire_span bytes);
void cr_memory_peer_plan(cr_memory_peer *peer, const cr_fault_plan *faults);
size_t cr_memory_peer_take(cr_memory_peer *peer, uint8_t *out, size_t capacity);
/* While it is stalled the peer takes nothing of what the gateway writes. */
void cr_memory_peer_stall(cr_memory_peer *peer, bool stalled);
/* Beyond so many bytes that were not taken the peer accepts no more, as a socket does; 0: any
 * number.
 */
void cr_memory_peer_window(cr_memory_peer *peer, size_t bytes);
/* How often the gateway has tried to write: the system calls of a socket. */
uint32_t cr_memory_peer_writes(const cr_memory_peer *peer);
bool cr_memory_peer_ended(const cr_memory_peer *peer);
void cr_memory_peer_end(cr_memory_peer *peer);
void cr_memory_peer_reset(cr_memory_peer *peer);
void cr_memory_peer_free(cr_memory_peer *peer);

#endif
