#ifndef CREACTOR_MAILBOX_H
#define CREACTOR_MAILBOX_H

#include <stddef.h>
#include <stdint.h>

struct cr_loop;

/* A message from any thread to a loop. `kind` (not UINT32_MAX, which is this library's) and `word`
   are the sender's; `object` is a pointer whose ownership travels with the message; `bytes` holds
   `length` bytes of the sender's. */
typedef struct cr_mail {
  struct cr_mail *next;
  uint32_t kind;
  uint64_t word[4];
  void *object;
  size_t length;
  uint8_t bytes[];
} cr_mail;

/* NULL without memory. */
cr_mail *cr_mail_make(uint32_t kind, size_t length);

/* Thread: any. Takes the message over; the loop frees it after its `mail` handler returned.
   Messages of one sender arrive in order. The loop is woken only if its mailbox was empty. After
   the loop was told to stop, messages are still handed to the handler until it is destroyed. */
void cr_mailbox_post(struct cr_loop *loop, cr_mail *mail);

#endif
