#include "listener/group.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "loop/loop.h"

struct member {
  _Atomic(cr_loop *) loop;
  _Atomic(int32_t) connections;
  /* Each count is written by its own loop at every accept: one cache line each. */
  uint8_t padding[64 - sizeof(void *) - sizeof(int32_t)];
};

/* Connections of all listeners with one label. */
struct seat {
  _Atomic(uint64_t) label; /* + 1; 0: free */
  _Atomic(uint32_t) connections;
};

enum { SEATS = 16 };

struct cr_group {
  uint32_t capacity;
  _Atomic(uint32_t) joined;
  _Atomic(cr_address_table *) addresses;
  struct seat seats[SEATS];
  struct member members[];
};

cr_group *cr_group_make(uint32_t loops) {
  cr_group *group = calloc(1, sizeof *group + loops * sizeof group->members[0]);
  if (group) group->capacity = loops;
  return group;
}

void cr_group_join(cr_group *group, cr_loop *loop) {
  if (loop->group) return;
  uint32_t index = atomic_fetch_add_explicit(&group->joined, 1, memory_order_relaxed);
  if (index >= group->capacity) {
    atomic_fetch_sub_explicit(&group->joined, 1, memory_order_relaxed);
    return;
  }
  loop->group = group;
  loop->group_index = index;
  atomic_store_explicit(&group->members[index].loop, loop, memory_order_release);
}

void cr_group_free(cr_group *group) {
  if (group) cr_address_table_free(atomic_load_explicit(&group->addresses, memory_order_acquire));
  free(group);
}

void cr_group_leave(cr_group *group, uint32_t index) {
  atomic_store_explicit(&group->members[index].loop, NULL, memory_order_release);
}

cr_loop *cr_group_member(cr_group *group, uint32_t index) {
  return atomic_load_explicit(&group->members[index].loop, memory_order_acquire);
}

void cr_group_count(cr_group *group, uint32_t index, int change) {
  atomic_fetch_add_explicit(&group->members[index].connections, change, memory_order_relaxed);
}

_Atomic(uint32_t) *cr_group_seat(cr_group *group, uint32_t label) {
  for (uint32_t index = 0; index < SEATS; index++) {
    struct seat *seat = &group->seats[index];
    uint64_t taken = 0, mine = (uint64_t)label + 1;
    bool won = atomic_compare_exchange_strong_explicit(&seat->label, &taken, mine,
                                                       memory_order_acq_rel, memory_order_acquire);
    if (won || taken == mine) return &seat->connections;
  }
  return NULL;
}

cr_address_table *cr_group_addresses(cr_group *group, uint32_t peers) {
  cr_address_table *table = atomic_load_explicit(&group->addresses, memory_order_acquire);
  if (table) return table;
  cr_address_table *made = cr_address_table_make(peers), *other = NULL;
  if (!made || atomic_compare_exchange_strong_explicit(&group->addresses, &other, made,
                                                       memory_order_acq_rel, memory_order_acquire))
    return made;
  cr_address_table_free(made);
  return other;
}

uint32_t cr_group_choose(cr_group *group, uint32_t index) {
  uint32_t count = atomic_load_explicit(&group->joined, memory_order_acquire);
  if (count < 2) return index;
  int64_t sum = 0;
  int32_t least = INT32_MAX, own = 0;
  uint32_t choice = index;
  for (uint32_t each = 0; each < count; each++) {
    int32_t have = atomic_load_explicit(&group->members[each].connections, memory_order_relaxed);
    sum += have;
    if (each == index) own = have;
    if (have < least && cr_group_member(group, each)) {
      least = have;
      choice = each;
    }
  }
  /* More than 1.5 times the mean, and at least 8 above it, both times `count`. */
  int64_t scaled = (int64_t)own * count;
  if (choice == index || 2 * scaled <= 3 * sum || scaled < sum + 8 * (int64_t)count) return index;
  /* Counted at once, so that a burst is not passed on to the same loop before it looks. */
  cr_group_count(group, choice, 1);
  return choice;
}
