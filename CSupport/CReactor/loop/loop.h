#ifndef CREACTOR_LOOP_LOOP_H
#define CREACTOR_LOOP_LOOP_H

/* One loop and what each floor keeps of it; not for policy. Everything here belongs to the loop's
   thread unless it is atomic. This floor knows what a turn needs (timers, the clock, the mailbox,
   pools of bytes) and nothing of what the floors above do with it: of those it holds pointers. */

#include <cwire/deflate.h>
#include <stdatomic.h>
#include <uv.h>

#include "creactor/loop.h"
#include "loop/buffer.h"
#include "loop/timer_wheel.h"

enum { CR_READ_BUFFER = 64 * 1024, CR_SLAB_CHUNK = 64 };

typedef struct cr_slab_chunk {
  struct cr_connection *connections; /* NULL: given back while all were free */
  uint32_t free;                     /* slot + 1 of the first free one; 0: none */
  uint32_t used;
} cr_slab_chunk;

/* Connections in chunks that never move, so that a handle's address stays: connection/slab.c. */
typedef struct cr_slab {
  cr_slab_chunk *chunks;
  uint32_t chunk_count;
  uint32_t used, high; /* slots in use; slots that there are */
  uint32_t limit;
  uint32_t first_room; /* no chunk before this one has a free slot */
  uint32_t generation; /* of the slot that was taken last */
} cr_slab;

typedef struct cr_policy_timer {
  cr_timer timer;
  uint64_t token;
  uint32_t generation;
  uint32_t slot;
  uint32_t next; /* while free: the next free slot + 1 */
} cr_policy_timer;

typedef struct cr_policy_timers {
  cr_policy_timer **chunks;
  uint32_t chunk_count, free;
  uint32_t active;
} cr_policy_timers;

/* What the floors above keep here. */
struct cr_address_table; /* listener/address_table.h */
struct cr_answered;      /* connector/addresses.h */
struct cr_connection;    /* connection/connection.h */
struct cr_group;         /* listener/group.h */
struct cr_http_exchange; /* http/exchange.h */
struct cr_intercept;     /* connection/transport_memory.c */
struct cr_listener;      /* listener/listener.h */
struct cr_resolver;      /* connector/resolver.c */
struct cr_websocket;     /* websocket/websocket.h */
struct cr_write_queue;   /* connection/write_queue.h */

struct cr_loop {
  uv_loop_t uv; /* uv.data is the cr_loop */
  cr_handlers handlers;
  void *context;
  cr_loop_options options;
  cwire_http1_limits answer_limits; /* of the heads of upstreams' answers */
  uint64_t now;
  uint64_t events; /* handler calls and moved bytes, to tell whether a turn did anything */
  uint64_t events_told;

  cr_slab slab;
  cr_buffer_pool buffers;
  struct cr_write_queue *free_queues;
  struct cr_http_exchange *free_exchanges;
  struct cr_websocket *free_websockets;
  struct cr_connection
      *gathering;         /* more of its messages are at hand: answers wait for the last one */
  cwire_deflate *deflate; /* for all messages of the loop; NULL until one needs it */
  uint32_t ready_head, ready_tail; /* connections with something to do, slot + 1 */

  cr_wheel wheel;
  uint64_t wheel_armed; /* when `wheel_timer` fires; UINT64_MAX: it does not run */
  uv_timer_t wheel_timer;
  /* What a timer of each kind does, given the loop: the floors above know, so reactor.c does. */
  void (*fire)(void *loop, cr_timer *timer);
  cr_policy_timers policy_timers;

  uv_prepare_t prepare;
  uv_idle_t idle; /* runs while the ready list is not empty, so that the loop does not sleep */
  uv_check_t check;
  uv_async_t wake;
  _Atomic(cr_mail *) mailbox;
  atomic_bool stopping;
  atomic_bool shedding; /* by `cr_loop_shed` */
  _Atomic(ptrdiff_t) held;
  /* cr_loop_losses: written by the loop's thread, read by any. */
  _Atomic(uint64_t) relieved, relieved_bytes, relieved_from, restless;
  uint64_t relief_due; /* no earlier does the loop make room again by itself */
  size_t leaving;      /* bytes of connections that were ended to make room in this turn */
  bool in_vain;        /* there was nothing more to make room of */
  bool draining;
  uint64_t drain_began;
  uint32_t drain_grace; /* ms that an idle connection may still send a request */
  bool destroying;      /* no handler is called any more */

  struct cr_listener *listeners;
  /* Of whom a proxy says that its requests are, by slot; NULL before one has. */
  uint8_t (*clients)[16];
  uint32_t client_room;               /* slots that it covers */
  struct cr_address_table *addresses; /* of a loop without a group; made with its first listener */
  struct cr_group *group;
  uint32_t group_index;
  struct cr_intercept *intercepts;
  struct cr_resolver *resolver;
  struct cr_answered *answered; /* addresses that were connected to; NULL until there is one */

  cr_loop_counts counts;
  uint64_t date_quarter;
  char date[32];         /* IMF-fixdate as of that quarter of a second of the loop's clock */
  cwire_http1_head head; /* scratch for the message being parsed; no two are at once */
  uint8_t entropy[256];  /* from the kernel, for masks and keys */
  uint32_t entropy_left;

#ifdef DEBUG
  unsigned calls; /* of policy's that are under way in the floor of connections */
#endif

  uint8_t read_buffer[CR_READ_BUFFER];
};

/* The loop's clock in milliseconds. */
static inline uint64_t cr_loop_time(const cr_loop *loop) {
  return loop->options.manual_clock ? loop->now : uv_now(&loop->uv);
}

/* Counts that something happened; call it before each handler. */
static inline void cr_loop_event(cr_loop *loop) {
  loop->events++;
}

/* (Re)starts or stops any timer of the loop's wheel, and sees to it that the loop wakes for it. */
void cr_loop_start_timer(cr_loop *loop, cr_timer *timer, uint64_t deadline);
void cr_loop_stop_timer(cr_loop *loop, cr_timer *timer);
/* Moves the policy's timers and the wheel to the loop's time. */
void cr_loop_fire_timers(cr_loop *loop);

/* The current date as an HTTP field value, made once per second. */
cwire_span cr_loop_date(cr_loop *loop);

/* Bytes that nobody can guess. */
void cr_loop_entropy(cr_loop *loop, uint8_t *out, uint32_t count);

/* Bytes that are buffered and held for the peers of this loop. */
static inline size_t cr_loop_taken(const cr_loop *loop) {
  ptrdiff_t held = atomic_load_explicit(&loop->held, memory_order_relaxed);
  return loop->buffers.bytes_out + (held > 0 ? (size_t)held : 0);
}

/* True while the peers of this loop, or the process, take more memory than they may: no new work is
   begun. */
static inline bool cr_loop_sheds(const cr_loop *loop) {
  size_t memory = loop->options.memory;
  return (memory > 0 && cr_loop_taken(loop) > memory + loop->leaving) ||
         atomic_load_explicit(&loop->shedding, memory_order_relaxed);
}

static inline cr_error cr_error_uv(int code) {
  return (cr_error){CR_DOMAIN_UV, code};
}
static inline cr_error cr_error_reason(cr_reason reason) {
  return (cr_error){CR_DOMAIN_REACTOR, reason};
}

#endif
