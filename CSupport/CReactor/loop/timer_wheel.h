#ifndef CREACTOR_LOOP_TIMER_WHEEL_H
#define CREACTOR_LOOP_TIMER_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A hierarchical timer wheel of 1 ms ticks: 10 levels of 64 slots, so that every deadline of 56
   bits has its place and none needs an overflow list. Entries are embedded in their owners;
   starting, stopping and firing cost O(1), asking for the next tick that matters O(levels).

   An entry lies on the level of the highest base-64 digit in which its deadline differs from `now`,
   in the slot of that digit. So all slots in use are ahead of `now`, and lower levels are due
   first. */

enum { CR_WHEEL_BITS = 6, CR_WHEEL_SLOTS = 64, CR_WHEEL_LEVELS = 10 };

typedef struct cr_link {
  struct cr_link *next, *previous;
} cr_link;

typedef enum cr_timer_kind {
  CR_TIMER_CONNECTION = 0, /* embedded in a cr_connection */
  CR_TIMER_POLICY,         /* a slot of `cr_timer_start` */
  CR_TIMER_TASK,           /* embedded in a cr_timer_task */
} cr_timer_kind;

typedef struct cr_timer {
  cr_link link;           /* next is NULL while it is not armed */
  uint64_t deadline : 56; /* milliseconds of the loop's clock */
  uint64_t kind : 8;      /* cr_timer_kind */
} cr_timer;

/* A timer with a function of its own, for what is not a connection. */
typedef struct cr_timer_task {
  cr_timer timer; /* kind CR_TIMER_TASK */
  void (*fire)(struct cr_timer_task *task);
} cr_timer_task;

typedef struct cr_wheel {
  uint64_t now;
  uint32_t count;
  uint64_t occupied[CR_WHEEL_LEVELS]; /* bit n: slot n is not empty */
  cr_link due;                        /* deadlines that had passed when they were started */
  cr_link slots[CR_WHEEL_LEVELS][CR_WHEEL_SLOTS];
} cr_wheel;

void cr_wheel_init(cr_wheel *wheel, uint64_t now);
/* (Re)starts; a deadline that has passed fires on the next advance. */
void cr_wheel_start(cr_wheel *wheel, cr_timer *timer, uint64_t deadline);
void cr_wheel_stop(cr_wheel *wheel, cr_timer *timer);
static inline bool cr_timer_armed(const cr_timer *timer) {
  return timer->link.next != NULL;
}

/* Moves to `now` and fires what is due, in order of deadlines to the tick. `fire` may start and
   stop any timer; one started for now or the past fires in the next advance. Returns how many
   fired. */
uint32_t cr_wheel_advance(cr_wheel *wheel, uint64_t now,
                          void (*fire)(void *context, cr_timer *timer), void *context);
/* The tick at which the wheel must be advanced next (never later than the next deadline), or
 * UINT64_MAX. */
uint64_t cr_wheel_next(const cr_wheel *wheel);

#endif
