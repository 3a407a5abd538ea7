#include "listener/relief.h"

#include <stdlib.h>
#include <string.h>

#include "connection/slab.h"
#include "listener/client_address.h"

enum { INTERVAL_MS = 50 };

typedef struct holder {
  uint64_t client[2];
  size_t bytes;
  size_t sum; /* of all connections of its client */
  uint32_t slot;
} holder;

/* What is buffered for a client: what came and is not used up, and what waits for it. */
static size_t buffered_for(const cr_connection *connection) {
  size_t bytes = cr_buffer_capacity(connection->kept) + cr_connection_queued(connection);
  if (connection->protocol->held) bytes += connection->protocol->held(connection);
  return bytes;
}

/* As the limit on connections counts them: an IPv4 address, or the /64 of an IPv6 address. */
static void client_of(const cr_connection *connection, uint64_t client[2]) {
  static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const uint8_t *address = cr_client_address(connection);
  memcpy(client, address, 16);
  if (memcmp(address, mapped, sizeof mapped) != 0) client[1] = 0;
}

static int by_client(const void *first, const void *second) {
  return memcmp(((const holder *)first)->client, ((const holder *)second)->client,
                sizeof(uint64_t[2]));
}

static int by_weight(const void *first, const void *second) {
  const holder *a = first, *b = second;
  if (a->sum != b->sum) return a->sum > b->sum ? -1 : 1;
  int client = by_client(first, second);
  if (client != 0) return client;
  return a->bytes > b->bytes ? -1 : a->bytes < b->bytes;
}

static void add_up(holder *holders, size_t count) {
  qsort(holders, count, sizeof *holders, by_client);
  for (size_t first = 0, end; first < count; first = end) {
    size_t sum = 0;
    for (end = first; end < count && by_client(&holders[first], &holders[end]) == 0; end++)
      sum += holders[end].bytes;
    for (size_t index = first; index < end; index++)
      holders[index].sum = sum;
  }
  qsort(holders, count, sizeof *holders, by_weight);
}

/* The client connections that hold something, those to be ended first in front. NULL if there are
   none, or no memory to look for them. */
static holder *find_holders(cr_loop *loop, size_t *count) {
  holder *holders = NULL;
  size_t room = 0;
  *count = 0;
  for (uint32_t slot = 0; slot < loop->slab.high; slot++) {
    cr_connection *connection = cr_slab_at(&loop->slab, slot);
    if (!connection || connection->kind != CR_KIND_DOWNSTREAM || cr_is_closing(connection))
      continue;
    size_t bytes = buffered_for(connection);
    if (bytes < CR_RELIEF_WORTH) continue;
    if (*count == room) {
      room = room ? 2 * room : 64;
      holder *more = realloc(holders, room * sizeof *holders);
      if (!more) break;
      holders = more;
    }
    holders[*count] = (holder){.bytes = bytes, .slot = slot};
    client_of(connection, holders[*count].client);
    ++*count;
  }
  if (*count > 0) add_up(holders, *count);
  return holders;
}

static void count_relief(cr_loop *loop, uint64_t connections, size_t bytes, size_t taken) {
  atomic_store_explicit(&loop->relieved_from, taken, memory_order_relaxed);
  atomic_fetch_add_explicit(&loop->relieved_bytes, bytes, memory_order_relaxed);
  atomic_fetch_add_explicit(&loop->relieved, connections, memory_order_relaxed);
}

/* Ends connections until no more than `most` is taken, as far as that goes. When it is the turn of
   `newcomer`, that is left to the caller: true then. */
static bool make_room(cr_loop *loop, size_t most, const cr_connection *newcomer) {
  size_t before = cr_loop_taken(loop);
  if (before <= most + loop->leaving) return false;
  size_t count;
  holder *holders = find_holders(loop, &count);
  size_t wanted = before - most - loop->leaving, freed = 0;
  uint64_t ended = 0;
  bool its_turn = false;
  for (size_t index = 0; index < count && freed < wanted; index++) {
    cr_connection *connection = cr_slab_at(&loop->slab, holders[index].slot);
    if (!connection || connection->kind != CR_KIND_DOWNSTREAM || cr_is_closing(connection))
      continue;
    if (connection == newcomer)
      its_turn = true;
    else
      connection->protocol->relieve(connection);
    freed += holders[index].bytes;
    ended++;
  }
  free(holders);
  if (ended > 0) count_relief(loop, ended, freed, before);
  /* What closed connections have comes back when the turn is over. */
  size_t after = cr_loop_taken(loop), back = before > after ? before - after : 0;
  if (freed > back) loop->leaving += freed - back;
  return its_turn;
}

void cr_loop_relieve(cr_loop *loop, size_t most) {
  make_room(loop, most, NULL);
}

bool cr_loop_refuses(cr_loop *loop, const cr_connection *newcomer) {
  if (!cr_loop_sheds(loop)) return false;
  if (atomic_load_explicit(&loop->shedding, memory_order_relaxed)) return true;
  uint64_t now = cr_loop_time(loop);
  if (loop->in_vain && now < loop->relief_due) return true;
  size_t memory = loop->options.memory;
  loop->relief_due = now + INTERVAL_MS;
  bool its_turn = make_room(loop, memory - memory / 4, newcomer);
  loop->in_vain = cr_loop_sheds(loop);
  return its_turn || loop->in_vain;
}

void cr_loop_relieve_in_time(cr_loop *loop) {
  loop->leaving = 0;
  size_t memory = loop->options.memory;
  if (memory == 0 || cr_loop_taken(loop) <= memory - memory / 8) return;
  uint64_t now = cr_loop_time(loop);
  if (now < loop->relief_due) return;
  loop->relief_due = now + INTERVAL_MS;
  make_room(loop, memory - memory / 4, NULL);
}
