#ifndef CREACTOR_PRIVATE_RESOLVER_H
#define CREACTOR_PRIVATE_RESOLVER_H

#include <sys/socket.h>

#include "creactor/loop.h"

/* Names to addresses, per loop. Answers are kept for 30 s, failures for 1 s (a dead name must not
 * cost a thread per request), and those who ask for the same name while it is looked up wait
 * together. */

enum { CR_RESOLVER_ADDRESSES = 8 };

typedef struct cr_addresses {
  struct sockaddr_storage list[CR_RESOLVER_ADDRESSES];
  unsigned count;
} cr_addresses;

/* Embedded in whoever waits. `done` gets 0 and the addresses (valid during the call, port 0), or a
 * negative UV_EAI code. */
typedef struct cr_resolver_waiter {
  struct cr_resolver_waiter *next, **link; /* link NULL: not waiting */
  void (*done)(struct cr_resolver_waiter *waiter, int status, const cr_addresses *addresses);
} cr_resolver_waiter;

/* 0: `addresses` is filled in (a numeric host, or from the cache); negative: the name has just
 * failed with that code, or there is no memory; UV_EAGAIN: `waiter->done` follows, never from
 * within. */
int cr_resolver_find(cr_loop *loop, const char *host, cr_addresses *addresses,
                     cr_resolver_waiter *waiter);

/* Stops waiting; harmless for one that does not. */
void cr_resolver_leave(cr_resolver_waiter *waiter);

/* At a loop's end: `stop` while it can still turn, `free` once no request of it is left. */
void cr_resolver_stop(cr_loop *loop);
void cr_resolver_free(cr_loop *loop);

#endif
