#ifndef CREACTOR_LISTENER_GROUP_H
#define CREACTOR_LISTENER_GROUP_H

#include "creactor/listener.h"
#include "listener/address_table.h"

/* Counts of connections by loop, and who should take the next one. Thread: any. */

void cr_group_count(cr_group *group, uint32_t index, int change);
/* Where the connections of all listeners with that label are counted; NULL when there are too many
   labels. */
_Atomic(uint32_t) *cr_group_seat(cr_group *group, uint32_t label);
/* The group's one table, made for so many peers by who asks first; NULL without memory. */
cr_address_table *cr_group_addresses(cr_group *group, uint32_t peers);
/* The index of the loop to pass a connection on to, counted there already; or `index` itself. */
uint32_t cr_group_choose(cr_group *group, uint32_t index);
cr_loop *cr_group_member(cr_group *group, uint32_t index);
void cr_group_leave(cr_group *group, uint32_t index);

#endif
