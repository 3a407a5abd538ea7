#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "connection/connection.h"
#include "connection/ready.h"
#include "connection/slab.h"
#include "connection/transport_memory.h"
#include "connection/write_queue.h"
#include "connector/addresses.h"
#include "connector/resolver.h"
#include "creactor/system.h"
#include "http/exchange.h"
#include "listener/accepting.h"
#include "listener/relief.h"
#include "loop/handlers.h"
#include "loop/loop.h"
#include "loop/mailbox.h"
#include "loop/policy_timer.h"
#include "process/reaper.h"
#include "websocket/incoming.h"
#include "websocket/send.h"

/* The roof: makes a loop of what the floors below keep, turns it, and takes it down. */

/* Works off the connections that have something to do, without those that are added meanwhile
 * twice. */
static void run_ready(cr_loop *loop) {
  uint32_t last = loop->ready_tail;
  while (loop->ready_head) {
    uint32_t entry = loop->ready_head;
    loop->events++;
    cr_connection_run(cr_loop_next_ready(loop));
    if (entry == last) break;
  }
}

enum { MOST_ROUNDS = 8 };

/* Everything that one phase of the turn left to do: called before and after the loop waits. */
static void finish_phase(cr_loop *loop) {
  /* What `turn` writes is flushed by one more look at the ready list, and what that brings about
     may want another turn. Bounded: connections that are always ready must not keep others from
     being read. */
  for (int round = 0; round < MOST_ROUNDS; round++) {
    run_ready(loop);
    if (loop->events == loop->events_told) break;
    loop->handlers.turn(loop->context);
    loop->events_told = loop->events;
  }
}

static void idled(uv_idle_t *handle) {
  (void)handle;
}

static void prepared(uv_prepare_t *handle) {
  cr_loop *loop = handle->data;
  finish_phase(loop);
  cr_loop_relieve_in_time(loop);
  /* An active idle handle makes the coming wait a look. Idle callbacks cost nothing in kernel. */
  bool more = loop->ready_head != 0;
  if (more != (uv_is_active((uv_handle_t *)&loop->idle) != 0)) {
    if (more)
      uv_idle_start(&loop->idle, idled);
    else
      uv_idle_stop(&loop->idle);
  }
}

static void checked(uv_check_t *handle) {
  finish_phase(handle->data);
}

static void woken(uv_async_t *handle) {
  cr_loop *loop = handle->data;
  cr_mailbox_deliver(loop);
  if (atomic_load_explicit(&loop->stopping, memory_order_acquire)) uv_stop(&loop->uv);
}

static void fire(void *context, cr_timer *timer) {
  cr_loop *loop = context;
  loop->events++;
  switch ((cr_timer_kind)timer->kind) {
  case CR_TIMER_CONNECTION: {
    cr_connection *connection =
        (cr_connection *)(void *)((uint8_t *)timer - offsetof(cr_connection, timer));
    if (!cr_is_closing(connection) && connection->protocol->timer)
      connection->protocol->timer(connection);
    break;
  }
  case CR_TIMER_POLICY:
    cr_policy_timer_fired(loop, timer);
    break;
  case CR_TIMER_TASK: {
    cr_timer_task *task = (cr_timer_task *)(void *)timer;
    task->fire(task);
    break;
  }
  }
}

void cr_loop_set_bounds(cr_loop *loop, const cr_loop_options *options) {
  uint32_t high = options->write_high_water ? options->write_high_water : 64 * 1024;
  uint32_t low = options->write_low_water ? options->write_low_water : 16 * 1024;
  loop->options.write_high_water = high;
  loop->options.write_low_water = low < high ? low : high;
  loop->answer_limits = cwire_http1_default_limits();
  if (options->answer_head > 0) loop->answer_limits.max_head = options->answer_head;
  if (options->answer_headers > 0) loop->answer_limits.max_headers = options->answer_headers;
  loop->options.memory = options->memory;
  /* An id has 24 bits for the slot. */
  uint32_t most = 1u << 24;
  loop->slab.limit = options->max_connections < most ? options->max_connections : most;
}

cr_error cr_loop_create(cr_loop **out, const cr_loop_options *options, const cr_handlers *handlers,
                        void *context) {
  *out = NULL;
  cr_loop *loop = calloc(1, sizeof *loop);
  if (!loop) return cr_error_uv(UV_ENOMEM);
  loop->options = *options;
  cr_loop_set_bounds(loop, options);
  loop->handlers = cr_handlers_complete(handlers);
  loop->context = context;
  loop->wheel_armed = UINT64_MAX;
  loop->fire = fire;
  atomic_init(&loop->mailbox, NULL);
  atomic_init(&loop->stopping, false);
  atomic_init(&loop->shedding, false);
  atomic_init(&loop->held, 0);
  atomic_init(&loop->relieved, 0);
  atomic_init(&loop->relieved_bytes, 0);
  atomic_init(&loop->relieved_from, 0);
  atomic_init(&loop->restless, 0);

  int status = uv_loop_init(&loop->uv);
  if (status < 0) {
    free(loop);
    return cr_error_uv(status);
  }
  loop->uv.data = loop;
  status = uv_async_init(&loop->uv, &loop->wake, woken);
  if (status < 0) {
    uv_loop_close(&loop->uv);
    free(loop);
    return cr_error_uv(status);
  }
  uv_timer_init(&loop->uv, &loop->wheel_timer);
  uv_prepare_init(&loop->uv, &loop->prepare);
  uv_check_init(&loop->uv, &loop->check);
  uv_idle_init(&loop->uv, &loop->idle);
  loop->wake.data = loop->wheel_timer.data = loop->prepare.data = loop->check.data = loop;
  loop->idle.data = loop;
  uv_prepare_start(&loop->prepare, prepared);
  uv_check_start(&loop->check, checked);
  cr_wheel_init(&loop->wheel, cr_loop_time(loop));
  /* A write to a connection that the peer has reset is an error to handle, not the end of the
   * process. */
  signal(SIGPIPE, SIG_IGN);
  cr_reaping_prepare();
  *out = loop;
  return CR_OK;
}

void cr_loop_set_context(cr_loop *loop, void *context) {
  loop->context = context;
}

void cr_loop_run(cr_loop *loop) {
  while (!atomic_load_explicit(&loop->stopping, memory_order_acquire))
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

bool cr_loop_step(cr_loop *loop) {
  uint64_t before = loop->events;
  if (loop->options.manual_clock) cr_loop_fire_timers(loop);
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  return loop->events != before;
}

void cr_loop_stop(cr_loop *loop) {
  atomic_store_explicit(&loop->stopping, true, memory_order_release);
  uv_async_send(&loop->wake);
}

enum { MOST_ENDING_TURNS = 2000 };

static void close_handle(uv_handle_t *handle, void *context) {
  (void)context;
  if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

void cr_loop_destroy(cr_loop *loop) {
  /* Messages carry objects that only policy can release. */
  cr_mailbox_deliver(loop);
  loop->destroying = true;
  loop->handlers = cr_handlers_silent;
  cr_listeners_close(loop);
  for (uint32_t slot = 0; slot < loop->slab.high; slot++) {
    cr_connection *connection = cr_slab_at(&loop->slab, slot);
    if (connection && connection->kind != CR_KIND_FREE)
      cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
  }
  /* Handles take a turn to close; children that are being ended may take some milliseconds. */
  for (int turn = 0; turn < MOST_ENDING_TURNS && (loop->slab.used > 0 || loop->listeners); turn++) {
    if (!cr_loop_step(loop)) uv_sleep(1);
  }
  cr_resolver_stop(loop);
  cr_mailbox_deliver(loop);
  cr_memory_forget(loop);
  uv_walk(&loop->uv, close_handle, NULL);
  while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
    continue;
  uv_loop_close(&loop->uv);

  cr_write_queues_clear(loop);
  cr_http_exchanges_clear(loop);
  cr_websockets_clear(loop);
  cr_loop_deflate_free(loop);
  cr_resolver_free(loop);
  cr_answered_free(loop->answered);
  cr_address_table_free(loop->addresses);
  free(loop->clients);
  cr_policy_timers_clear(loop);
  cr_buffer_pool_clear(&loop->buffers);
  cr_slab_clear(&loop->slab);
  free(loop);
}

void cr_loop_shed(cr_loop *loop, bool shedding) {
  atomic_store_explicit(&loop->shedding, shedding, memory_order_relaxed);
}

void cr_loop_hold(cr_loop *loop, ptrdiff_t bytes) {
  atomic_fetch_add_explicit(&loop->held, bytes, memory_order_relaxed);
}

bool cr_loop_is_shedding(const cr_loop *loop) {
  return cr_loop_sheds(loop);
}

void cr_loop_trim(cr_loop *loop) {
  cr_slab_trim(&loop->slab);
  cr_http_exchanges_clear(loop);
  cr_websockets_clear(loop);
  cr_write_queues_clear(loop);
  cr_buffer_pool_clear(&loop->buffers);
  cr_system_trim_thread();
}

cr_loop_counts cr_loop_count(const cr_loop *loop) {
  cr_loop_counts counts = loop->counts;
  counts.timers = loop->policy_timers.active;
  counts.buffered = loop->buffers.bytes_out;
  counts.held = cr_loop_taken(loop) - loop->buffers.bytes_out;
  cr_loop_losses lost = cr_loop_lost(loop);
  counts.relieved = lost.relieved;
  counts.restless = lost.restless;
  return counts;
}

cr_loop_losses cr_loop_lost(const cr_loop *loop) {
  return (cr_loop_losses){
      .relieved = atomic_load_explicit(&loop->relieved, memory_order_relaxed),
      .relieved_bytes = atomic_load_explicit(&loop->relieved_bytes, memory_order_relaxed),
      .relieved_from = atomic_load_explicit(&loop->relieved_from, memory_order_relaxed),
      .restless = atomic_load_explicit(&loop->restless, memory_order_relaxed),
  };
}
