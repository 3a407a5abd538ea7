#ifndef CREACTOR_ATTEMPTS_H
#define CREACTOR_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>

/* Which of a name's addresses is tried when (RFC 8305, "happy eyeballs"), without sockets and with
   the clock passed in. Not for policy: connector/connector.c carries it out.

   The address that answered last goes first, or else the first in the resolver's order (RFC 6724);
   after it the families take turns. An attempt begins CR_ATTEMPT_DELAY after the one before it, at
   once when that one has failed, and the earlier ones go on. The first that connects wins, which
   ends the plan. */

enum { CR_ATTEMPT_ADDRESSES = 8, CR_ATTEMPT_DELAY = 250 /* ms; RFC 8305 section 5 */ };

typedef struct cr_attempts {
  uint8_t order[CR_ATTEMPT_ADDRESSES];
  uint8_t count, begun; /* of `order` */
  uint8_t open;         /* begun and neither failed nor connected */
  uint64_t next_at;     /* ms: when another may begin beside those that are open */
  int32_t status;       /* what is said if all fail: a negative errno */
} cr_attempts;

typedef enum cr_attempt_step {
  CR_ATTEMPT_BEGIN,   /* with `address`, and ask again */
  CR_ATTEMPT_WAIT,    /* ask again at `until` (UINT64_MAX: never), or when one has failed */
  CR_ATTEMPT_GIVE_UP, /* all have failed, with `status` */
} cr_attempt_step;

typedef struct cr_attempt_action {
  cr_attempt_step step;
  uint32_t address;
  uint64_t until;
  int32_t status;
} cr_attempt_action;

/* `families` are those of so many addresses, at most CR_ATTEMPT_ADDRESSES, in the resolver's order;
   `answered` is the index of the one that answered last time, or -1. */
void cr_attempts_plan(cr_attempts *attempts, const int *families, uint32_t count, int32_t answered);
cr_attempt_action cr_attempts_next(cr_attempts *attempts, uint64_t now);
/* An attempt that had begun has failed. */
void cr_attempts_failed(cr_attempts *attempts, uint32_t address, int32_t status);

#endif
