#ifndef LOAD_PACER_H
#define LOAD_PACER_H

#include <stdbool.h>
#include <uv.h>

/* When the operations of an open loop are due: evenly, to the microsecond (libuv's own timers know
   milliseconds). */
typedef struct pacer {
  uv_poll_t poll;
  int timer;
  uint64_t first;  /* ns */
  double interval; /* ns */
  uint64_t taken;
  void (*due)(void *context);
  void *context;
} pacer;

/* From now on at `rate` a second; `offset` (0 to 1) of an interval later, so that several processes
   take turns. `due` is called when something can be taken. */
void pacer_start(pacer *pacer, uv_loop_t *loop, double rate, double offset,
                 void (*due)(void *context), void *context);

/* The time of the next operation. */
uint64_t pacer_next(const pacer *pacer);

/* Takes it if it is due; otherwise `due` will be called when it is. */
bool pacer_take(pacer *pacer, uint64_t *due);

void pacer_stop(pacer *pacer);

#endif
