#ifndef CREACTOR_CONNECTOR_RESOLVER_H
#define CREACTOR_CONNECTOR_RESOLVER_H

#include "connector/addresses.h"
#include "creactor/loop.h"

/* Names to addresses, per loop. Answers are kept for 30 s, failures for 1 s (a dead name must not
   cost a thread per request), and those who ask for the same name while it is looked up wait
   together.

   Each name is looked up on a thread of its own, and libuv's pool is not used: its four threads
   serve the whole process, and four names whose servers are silent would stall all others for as
   long as the system's resolver is patient. Threads rather than a resolver library such as c-ares,
   since getaddrinfo knows what the machine's names mean (nsswitch.conf, hosts, mDNS, containers),
   and a thread that lives as long as a look-up is less than another set of sockets and timers.
   Names are looked up seldom: when a connection has to be made and 30 s have passed.

   Bounded: 32 names that somebody waits for are looked up at once, the next wait in order. A
   look-up that nobody waits for any more does not count among those, but there are never more than
   64 threads; and never more than 256 names, after which asking fails with UV_EAI_AGAIN. */

struct cr_resolver_entry;

/* Embedded in whoever waits. `done` gets 0 and the addresses (valid during the call, port 0), or a
 * negative UV_EAI code. */
typedef struct cr_resolver_waiter {
  struct cr_resolver_waiter *next, **link; /* link NULL: not waiting */
  struct cr_resolver_entry *entry;
  void (*done)(struct cr_resolver_waiter *waiter, int status, const cr_addresses *addresses);
} cr_resolver_waiter;

/* 0: `addresses` is filled in (a numeric host, or from the cache); negative: the name has just
 * failed with that code, or there is no memory; UV_EAGAIN: `waiter->done` follows, never from
 * within. */
int cr_resolver_find(cr_loop *loop, const char *host, cr_addresses *addresses,
                     cr_resolver_waiter *waiter);

/* Stops waiting; harmless for one that does not. */
void cr_resolver_leave(cr_resolver_waiter *waiter);

/* At a loop's end: after `stop` no thread posts to the loop any more, what is in its mailbox may
   still be delivered before `free`. */
void cr_resolver_stop(cr_loop *loop);
void cr_resolver_free(cr_loop *loop);

#endif
