#ifndef CREACTOR_HANDOVER_STREAM_H
#define CREACTOR_HANDOVER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A stream of bytes between a process and the one that takes its place, served by a thread that
   waits for it and that others can wake. Thread: any. Failures are negative errno values; nothing
   calls back. */

enum { CR_HANDOVER_READABLE = 1, CR_HANDOVER_WRITABLE = 2 };

/* Both ends, non-blocking; they close on exec. The caller's to close. 0 or what failed. */
int cr_handover_stream_pair(int ends[2]);
/* A descriptor that cr_handover_stream_wake makes readable. The caller's to close. */
int cr_handover_stream_waker(void);
void cr_handover_stream_wake(int waker);
/* Waits until the stream has something to read or, with `writing`, takes more, until somebody has
   woken it, or for `timeout` ms: CR_HANDOVER_READABLE and CR_HANDOVER_WRITABLE. */
int cr_handover_stream_wait(int stream, int waker, bool writing, int timeout);
/* How many bytes it has taken; -EAGAIN for none now. */
ssize_t cr_handover_stream_send(int stream, const void *bytes, size_t length);
/* How many bytes have come; 0 once the other end is gone, -EAGAIN for none now. */
ssize_t cr_handover_stream_receive(int stream, void *bytes, size_t length);

#endif
