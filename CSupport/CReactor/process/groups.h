#ifndef CREACTOR_PROCESS_GROUPS_H
#define CREACTOR_PROCESS_GROUPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The process groups of our children, in memory that we share with the reaper: it is there however
   we went, and for the next reaper if one dies. A slot is a group, or 0. */
enum { CR_GROUPS = 1 << 18 };
typedef struct cr_group_list {
  _Atomic uint32_t used; /* slots beyond this were never taken */
  _Atomic int32_t group[CR_GROUPS];
} cr_group_list;

/* Each of these is async-signal-safe and touches the list alone. `add`: false if it is full. */
bool cr_group_list_add(cr_group_list *list, int32_t group);
void cr_group_list_remove(cr_group_list *list, int32_t group);
bool cr_group_list_has(cr_group_list *list, int32_t group);

#endif
