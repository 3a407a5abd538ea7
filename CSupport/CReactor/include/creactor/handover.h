#ifndef CREACTOR_HANDOVER_H
#define CREACTOR_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* How a process hands its listening sockets to the one that takes its place: messages of a text and
   descriptors over a Unix socket (SOCK_SEQPACKET, so that a message comes whole). Both ends make
   sure that the other is of the same user. Descriptors here are blocking and close on exec.
   Thread: any. Failures are negative errno values; nothing calls back. */

enum { CR_HANDOVER_TEXT = 16384, CR_HANDOVER_DESCRIPTORS = 240 };

/* Listens at a path that does not exist yet, mode 0600. */
int cr_handover_listen(const char *path);
/* Removes what processes that are gone have left at `path` and a dot and their process id. */
void cr_handover_sweep(const char *path);
/* The next peer, -EAGAIN if there is none, -EACCES if it is another user's. */
int cr_handover_accept(int listener);
/* Connects to the process that listens at the path; -ETIMEDOUT if its queue stays full. */
int cr_handover_connect(const char *path);
/* The process id of the other end; -1 if it is not known. */
pid_t cr_handover_peer(int connection);

/* 0 when it was sent, -EAGAIN while the other end does not read. */
int cr_handover_send(int connection, const char *text, size_t length, const int *descriptors,
                     size_t count);
/* Waits for a message for at most `timeout` ms. The bytes of its text, at most CR_HANDOVER_TEXT,
   and its descriptors, which are the caller's, at most CR_HANDOVER_DESCRIPTORS, or closed if
   `descriptors` is NULL; 0 when the other end is gone, -ETIMEDOUT, -EMSGSIZE when something of it
   did not fit. */
ssize_t cr_handover_receive(int connection, int timeout, char *text, int *descriptors,
                            size_t *count);

#endif
