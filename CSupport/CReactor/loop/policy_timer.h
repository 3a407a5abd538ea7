#ifndef CREACTOR_LOOP_POLICY_TIMER_H
#define CREACTOR_LOOP_POLICY_TIMER_H

#include "loop/loop.h"

/* The timers of `cr_timer_start`: a slab of entries on the loop's wheel, named by slot and
 * generation. */
void cr_policy_timer_fired(cr_loop *loop, cr_timer *timer);
void cr_policy_timers_clear(cr_loop *loop);

#endif
