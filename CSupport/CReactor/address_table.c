#include "address_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint32_t place_of(const cr_address_table *table, const uint8_t address[16]) {
  uint64_t words[2];
  memcpy(words, address, sizeof words);
  __uint128_t product =
      (__uint128_t)(words[0] ^ table->seed) * (words[1] ^ 0x9e3779b97f4a7c15ull ^ table->seed);
  uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);
  folded = (folded ^ (folded >> 29)) * 0xbf58476d1ce4e5b9ull;
  return (uint32_t)(folded >> 32) & (table->capacity - 1);
}

/* The address's entry, or the free one where it would go. */
static cr_address_entry *find(const cr_address_table *table, const uint8_t address[16]) {
  uint32_t place = place_of(table, address);
  while (table->entries[place].count && memcmp(table->entries[place].address, address, 16) != 0) {
    place = (place + 1) & (table->capacity - 1);
  }
  return &table->entries[place];
}

static bool grow(cr_address_table *table) {
  cr_address_table larger = {.capacity = table->capacity ? 2 * table->capacity : 64,
                             .seed = table->seed};
  if (table->capacity == 0 && getrandom(&larger.seed, sizeof larger.seed, 0) < 0) larger.seed = 0;
  larger.entries = calloc(larger.capacity, sizeof *larger.entries);
  if (!larger.entries) return false;
  for (uint32_t place = 0; place < table->capacity; place++) {
    if (table->entries[place].count)
      *find(&larger, table->entries[place].address) = table->entries[place];
  }
  larger.used = table->used;
  free(table->entries);
  *table = larger;
  return true;
}

uint32_t cr_address_add(cr_address_table *table, const uint8_t address[16]) {
  if (4 * (table->used + 1) > 3 * table->capacity && !grow(table)) return 0;
  cr_address_entry *entry = find(table, address);
  if (entry->count == 0) {
    memcpy(entry->address, address, 16);
    table->used++;
  }
  return ++entry->count;
}

void cr_address_remove(cr_address_table *table, const uint8_t address[16]) {
  if (table->capacity == 0) return;
  cr_address_entry *entry = find(table, address);
  if (entry->count == 0 || --entry->count > 0) return;
  table->used--;
  /* Entries behind the gap move up, so that no search stops short of them. */
  uint32_t mask = table->capacity - 1;
  uint32_t gap = (uint32_t)(entry - table->entries);
  for (uint32_t place = (gap + 1) & mask; table->entries[place].count; place = (place + 1) & mask) {
    uint32_t home = place_of(table, table->entries[place].address);
    if (((place - home) & mask) < ((place - gap) & mask)) continue;
    table->entries[gap] = table->entries[place];
    table->entries[place].count = 0;
    gap = place;
  }
}

void cr_address_clear(cr_address_table *table) {
  free(table->entries);
  *table = (cr_address_table){0};
}
