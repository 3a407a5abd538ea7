#ifndef CREACTOR_CONNECTOR_LOOKUP_H
#define CREACTOR_CONNECTOR_LOOKUP_H

#include "connector/addresses.h"
#include "creactor/memory.h"

/* One name looked up by the system's resolver, on a thread of its own. getaddrinfo can be neither
   interrupted nor given a time limit, so nobody ever waits for such a thread: it is detached, and
   what it needs outlives its loop if need be. */

/* Where the answers for one loop go. */
typedef struct cr_lookup_desk cr_lookup_desk;
/* `answered` is called on the loop's thread, from its mailbox: 0 and the addresses (port 0), or a
   negative UV_EAI code. */
typedef void cr_lookup_answered(cr_loop *loop, const char *host, int status,
                                const cr_addresses *addresses);

/* NULL without memory. */
cr_lookup_desk *cr_lookup_desk_make(cr_loop *loop, cr_lookup_answered *answered);
/* Looks names up by this function from now on; NULL: the system's resolver. */
void cr_lookup_desk_use(cr_lookup_desk *desk, cr_lookup_function *function, void *context);
/* Whatever is still on its way is dropped when it comes. What came before may be in the mailbox. */
void cr_lookup_desk_close(cr_lookup_desk *desk);

/* What getaddrinfo says in libuv's numbers, which are the same everywhere: 0, or a negative code.
   At once after it, for errno. */
int cr_lookup_status(int error);

/* 0, or a negative UV code: nothing follows then. */
int cr_lookup_begin(cr_lookup_desk *desk, const char *host);

#endif
