#include "creactor/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "loop/loop.h"
#include "loop/mailbox.h"

/* Marks a message that this library sends itself; `word[3]` holds the function to call. */
enum { CR_MAIL_CALL = UINT32_MAX };

cr_mail *cr_mail_make(uint32_t kind, size_t length) {
  if (length > SIZE_MAX - sizeof(cr_mail)) return NULL;
  cr_mail *mail = malloc(sizeof *mail + length);
  if (!mail) return NULL;
  memset(mail, 0, sizeof *mail);
  mail->kind = kind;
  mail->length = length;
  return mail;
}

void cr_mailbox_post(cr_loop *loop, cr_mail *mail) {
  /* Senders push on a stack, the loop takes the whole stack and turns it round: no ABA, and
     messages of one sender stay in order. Release hands the message's bytes over. */
  cr_mail *head = atomic_load_explicit(&loop->mailbox, memory_order_relaxed);
  do {
    mail->next = head;
  } while (!atomic_compare_exchange_weak_explicit(&loop->mailbox, &head, mail, memory_order_release,
                                                  memory_order_relaxed));
  if (!head) uv_async_send(&loop->wake);
}

void cr_loop_post_call(cr_loop *loop, cr_mail *mail, cr_mail_call call) {
  mail->kind = CR_MAIL_CALL;
  mail->word[3] = (uint64_t)(uintptr_t)call;
  cr_mailbox_post(loop, mail);
}

bool cr_mailbox_deliver(cr_loop *loop) {
  cr_mail *stack = atomic_exchange_explicit(&loop->mailbox, NULL, memory_order_acquire);
  if (!stack) return false;
  cr_mail *mail = NULL;
  while (stack) {
    cr_mail *next = stack->next;
    stack->next = mail;
    mail = stack;
    stack = next;
  }
  while (mail) {
    cr_mail *next = mail->next;
    mail->next = NULL;
    cr_loop_event(loop);
    if (mail->kind == CR_MAIL_CALL)
      ((cr_mail_call)(uintptr_t)mail->word[3])(loop, mail);
    else
      loop->handlers.mail(loop->context, mail);
    free(mail);
    mail = next;
  }
  return true;
}
