#include <cwire/http1_writer.h>
#include <time.h>

#include "loop/loop.h"

/* ---- Timers ---- */

static void wheel_fired(uv_timer_t *handle);

static void arm_wheel(cr_loop *loop, uint64_t when) {
  if (loop->options.manual_clock || when >= loop->wheel_armed) return;
  uint64_t now = uv_now(&loop->uv);
  loop->wheel_armed = when;
  uv_timer_start(&loop->wheel_timer, wheel_fired, when > now ? when - now : 0, 0);
}

void cr_loop_fire_timers(cr_loop *loop) {
  cr_wheel_advance(&loop->wheel, cr_loop_time(loop), loop->fire, loop);
}

static void wheel_fired(uv_timer_t *handle) {
  cr_loop *loop = handle->data;
  loop->wheel_armed = 0; /* what is started meanwhile is seen below */
  cr_loop_fire_timers(loop);
  loop->wheel_armed = UINT64_MAX;
  arm_wheel(loop, cr_wheel_next(&loop->wheel));
}

void cr_loop_start_timer(cr_loop *loop, cr_timer *timer, uint64_t deadline) {
  cr_wheel_start(&loop->wheel, timer, deadline);
  arm_wheel(loop, deadline);
}

void cr_loop_stop_timer(cr_loop *loop, cr_timer *timer) {
  cr_wheel_stop(&loop->wheel, timer);
}

/* ---- The time ---- */

cwire_span cr_loop_date(cr_loop *loop) {
  /* The wall clock is read at most every 250 ms, so that a second is never more than that late. */
  uint64_t quarter = cr_loop_time(loop) / 250;
  if (quarter != loop->date_quarter || loop->date[0] == 0) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    cwire_writer writer = cwire_writer_make(loop->date, sizeof loop->date);
    cwire_http1_put_date(&writer, now.tv_sec);
    loop->date_quarter = quarter;
  }
  return cwire_span_make(loop->date, CWIRE_HTTP1_DATE_LENGTH);
}

uint64_t cr_loop_now(const cr_loop *loop) {
  return cr_loop_time(loop);
}

void cr_loop_advance(cr_loop *loop, uint64_t milliseconds) {
  loop->now += milliseconds;
}
