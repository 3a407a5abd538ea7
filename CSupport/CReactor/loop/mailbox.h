#ifndef CREACTOR_LOOP_MAILBOX_H
#define CREACTOR_LOOP_MAILBOX_H

#include <stdbool.h>

#include "creactor/mailbox.h"

typedef void (*cr_mail_call)(struct cr_loop *loop, cr_mail *mail);

/* Runs `call(loop, mail)` on the loop's thread; the mail is freed afterwards. Words 0 to 2 and the
   object are the caller's. Thread: any. */
void cr_loop_post_call(struct cr_loop *loop, cr_mail *mail, cr_mail_call call);

/* Hands over what is in the mailbox; false if it was empty. */
bool cr_mailbox_deliver(struct cr_loop *loop);

#endif
