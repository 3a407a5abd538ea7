#ifndef CREACTOR_ADDRESS_TABLE_H
#define CREACTOR_ADDRESS_TABLE_H

#include <stdbool.h>
#include <stdint.h>

/* How many connections each peer address has: open addressing over 16-byte addresses, seeded so
   that nobody can choose addresses that collide. */
typedef struct cr_address_entry {
  uint8_t address[16];
  uint32_t count; /* 0: free */
} cr_address_entry;

typedef struct cr_address_table {
  cr_address_entry *entries;
  uint32_t capacity; /* a power of two, or 0 */
  uint32_t used;
  uint64_t seed;
} cr_address_table;

/* The count after adding one; 0 without memory. */
uint32_t cr_address_add(cr_address_table *table, const uint8_t address[16]);
void cr_address_remove(cr_address_table *table, const uint8_t address[16]);
void cr_address_clear(cr_address_table *table);

#endif
