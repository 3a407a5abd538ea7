#include "loop/policy_timer.h"

#include <stdlib.h>

enum { CHUNK = 64 };

static cr_policy_timer *at(cr_policy_timers *timers, uint32_t slot) {
  return &timers->chunks[slot / CHUNK][slot % CHUNK];
}

static bool grow(cr_policy_timers *timers) {
  if (timers->chunk_count >= UINT32_MAX / CHUNK - 1) return false;
  cr_policy_timer **chunks = realloc(timers->chunks, (timers->chunk_count + 1) * sizeof *chunks);
  if (!chunks) return false;
  timers->chunks = chunks;
  cr_policy_timer *chunk = calloc(CHUNK, sizeof *chunk);
  if (!chunk) return false;
  uint32_t first = timers->chunk_count * CHUNK;
  chunks[timers->chunk_count++] = chunk;
  for (uint32_t index = CHUNK; index-- > 0;) {
    chunk[index].slot = first + index;
    chunk[index].generation = 1;
    chunk[index].timer.kind = CR_TIMER_POLICY;
    chunk[index].next = timers->free;
    timers->free = first + index + 1;
  }
  return true;
}

static void release(cr_policy_timers *timers, cr_policy_timer *entry) {
  if (++entry->generation == 0) entry->generation = 1;
  entry->next = timers->free;
  timers->free = entry->slot + 1;
  timers->active--;
}

uint64_t cr_timer_start(cr_loop *loop, uint64_t delay_ms, uint64_t token) {
  cr_policy_timers *timers = &loop->policy_timers;
  if (timers->free == 0 && !grow(timers)) return 0;
  cr_policy_timer *entry = at(timers, timers->free - 1);
  timers->free = entry->next;
  timers->active++;
  entry->token = token;
  uint64_t now = cr_loop_time(loop);
  cr_loop_start_timer(loop, &entry->timer,
                      delay_ms < UINT64_MAX - now ? now + delay_ms : UINT64_MAX);
  return (uint64_t)entry->generation << 32 | (entry->slot + 1);
}

void cr_timer_stop(cr_loop *loop, uint64_t timer) {
  cr_policy_timers *timers = &loop->policy_timers;
  uint32_t slot = (uint32_t)timer - 1;
  if ((uint32_t)timer == 0 || slot / CHUNK >= timers->chunk_count) return;
  cr_policy_timer *entry = at(timers, slot);
  if (entry->generation != timer >> 32 || !cr_timer_armed(&entry->timer)) return;
  cr_loop_stop_timer(loop, &entry->timer);
  release(timers, entry);
}

void cr_policy_timer_fired(cr_loop *loop, cr_timer *timer) {
  /* `timer` is the first member. */
  cr_policy_timer *entry = (cr_policy_timer *)(void *)timer;
  uint64_t token = entry->token;
  release(&loop->policy_timers, entry);
  loop->handlers.timer(loop->context, token);
}

void cr_policy_timers_clear(cr_loop *loop) {
  cr_policy_timers *timers = &loop->policy_timers;
  for (uint32_t chunk = 0; chunk < timers->chunk_count; chunk++)
    free(timers->chunks[chunk]);
  free(timers->chunks);
}
