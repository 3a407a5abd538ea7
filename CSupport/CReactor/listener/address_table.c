#include "listener/address_table.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* A peer may lie in any of as many slots from its place on: four cache lines. At a quarter full, a
   neighbourhood without room comes once in many millions. */
enum { NEIGHBOURHOOD = 32, SLOTS_PER_PEER = 4, COUNT_BITS = 24, LEAST_SLOTS = 1024 };

static const uint64_t COUNT_MASK = ((uint64_t)1 << COUNT_BITS) - 1;

struct cr_address_table {
  uint64_t seed[2];
  uint32_t mask; /* of places */
  /* Mark (40 bits, not 0) and count (24), or 0 for a free one; the last neighbourhood reaches
     beyond the places. */
  _Atomic(uint64_t) slots[];
};

typedef struct peer_place {
  uint32_t first;
  uint64_t mark;
} peer_place;

cr_address_table *cr_address_table_make(uint32_t peers) {
  uint64_t slots = LEAST_SLOTS;
  while (slots < (uint64_t)peers * SLOTS_PER_PEER && slots < (uint64_t)1 << 31)
    slots *= 2;
  /* Pages that no peer has touched stay the kernel's. */
  cr_address_table *table =
      calloc(1, sizeof *table + (slots + NEIGHBOURHOOD) * sizeof table->slots[0]);
  if (!table) return NULL;
  table->mask = (uint32_t)(slots - 1);
  if (getrandom(table->seed, sizeof table->seed, 0) < 0) table->seed[0] = (uintptr_t)table;
  return table;
}

void cr_address_table_free(cr_address_table *table) {
  free(table);
}

static uint64_t fold(uint64_t first, uint64_t second) {
  __uint128_t product = (__uint128_t)first * second;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static peer_place place_of(const cr_address_table *table, const uint8_t address[16]) {
  static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  uint64_t key = 0;
  if (memcmp(address, mapped, sizeof mapped) == 0) {
    /* A multicast prefix, which no peer can have. */
    memcpy(&key, address + 8, 8);
    key |= (uint64_t)0xff;
  } else {
    memcpy(&key, address, 8);
  }
  uint64_t hash = fold(key ^ table->seed[0], 0x9e3779b97f4a7c15ull ^ table->seed[1]);
  hash = fold(hash ^ table->seed[1], 0xbf58476d1ce4e5b9ull ^ table->seed[0]);
  uint64_t mark = hash >> COUNT_BITS;
  return (peer_place){.first = (uint32_t)(fold(hash, 0x94d049bb133111ebull)) & table->mask,
                      .mark = mark ? mark : 1};
}

/* Two loops that meet a new peer at the same moment may give it a slot each, so all slots of its
   neighbourhood count together. */
uint32_t cr_address_add(cr_address_table *table, const uint8_t address[16]) {
  peer_place place = place_of(table, address);
  for (;;) {
    uint64_t sum = 0, seen = 0;
    _Atomic(uint64_t) *own = NULL, *unused = NULL;
    for (uint32_t index = 0; index < NEIGHBOURHOOD; index++) {
      _Atomic(uint64_t) *slot = &table->slots[place.first + index];
      uint64_t word = atomic_load_explicit(slot, memory_order_relaxed);
      if (word == 0) {
        if (!unused) unused = slot;
      } else if (word >> COUNT_BITS == place.mark) {
        sum += word & COUNT_MASK;
        if (!own) own = slot, seen = word;
      }
    }
    _Atomic(uint64_t) *slot = own ? own : unused;
    if (!slot || (seen & COUNT_MASK) == COUNT_MASK) return 0;
    uint64_t wanted = own ? seen + 1 : place.mark << COUNT_BITS | 1;
    if (atomic_compare_exchange_strong_explicit(slot, &seen, wanted, memory_order_relaxed,
                                                memory_order_relaxed))
      return (uint32_t)(sum + 1);
  }
}

void cr_address_remove(cr_address_table *table, const uint8_t address[16]) {
  peer_place place = place_of(table, address);
  for (uint32_t index = 0; index < NEIGHBOURHOOD; index++) {
    _Atomic(uint64_t) *slot = &table->slots[place.first + index];
    uint64_t word = atomic_load_explicit(slot, memory_order_relaxed);
    while (word && word >> COUNT_BITS == place.mark) {
      uint64_t less = (word & COUNT_MASK) == 1 ? 0 : word - 1;
      if (atomic_compare_exchange_weak_explicit(slot, &word, less, memory_order_relaxed,
                                                memory_order_relaxed))
        return;
    }
  }
}
