#include "pacer.h"

#include <sys/timerfd.h>
#include <unistd.h>

static void fired(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  pacer *pacer = poll->data;
  uint64_t times;
  if (read(pacer->timer, &times, sizeof times) == sizeof times) pacer->due(pacer->context);
}

void pacer_start(pacer *pacer, uv_loop_t *loop, double rate, double offset,
                 void (*due)(void *context), void *context) {
  pacer->interval = 1e9 / rate;
  pacer->first = uv_hrtime() + (uint64_t)(pacer->interval * offset);
  pacer->taken = 0;
  pacer->due = due;
  pacer->context = context;
  pacer->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  uv_poll_init(loop, &pacer->poll, pacer->timer);
  pacer->poll.data = pacer;
  uv_poll_start(&pacer->poll, UV_READABLE, fired);
  due(context);
}

uint64_t pacer_next(const pacer *pacer) {
  return pacer->first + (uint64_t)((double)pacer->taken * pacer->interval);
}

bool pacer_take(pacer *pacer, uint64_t *due) {
  *due = pacer_next(pacer);
  if (*due <= uv_hrtime()) {
    pacer->taken++;
    return true;
  }
  struct itimerspec at = {
      .it_value = {.tv_sec = (time_t)(*due / 1000000000), .tv_nsec = (long)(*due % 1000000000)}};
  timerfd_settime(pacer->timer, TFD_TIMER_ABSTIME, &at, NULL);
  return false;
}

void pacer_stop(pacer *pacer) {
  uv_poll_stop(&pacer->poll);
}
