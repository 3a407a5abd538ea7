#ifndef CREACTOR_LISTENER_ADDRESS_TABLE_H
#define CREACTOR_LISTENER_ADDRESS_TABLE_H

#include <stdint.h>

/* How many connections each peer has, counted over all loops that share the table: a peer is an
   IPv4 address or the /64 of an IPv6 address, as whoever has one address of such a network has them
   all. Of fixed size: a slot is one word, a mark of the peer beside its count, and all changes are
   single compare-exchanges. Seeded, so that nobody can choose peers that share slots.
   Thread: any, but for making and freeing. */
typedef struct cr_address_table cr_address_table;

/* Room for about so many peers; NULL without memory. */
cr_address_table *cr_address_table_make(uint32_t peers);
void cr_address_table_free(cr_address_table *table);

/* The count after adding one; 0 when there is no room for the peer, and nothing was counted. */
uint32_t cr_address_add(cr_address_table *table, const uint8_t address[16]);
void cr_address_remove(cr_address_table *table, const uint8_t address[16]);

#endif
