#ifndef CREACTOR_PROCESS_REAPER_H
#define CREACTOR_PROCESS_REAPER_H

#include <stdatomic.h>
#include <sys/types.h>

#include "creactor/process.h"

/* The process groups of our children, in memory that we share with the reaper: it is there however
   we went, and for the next reaper if one dies. A slot is a group, or 0. */
enum { CR_GROUPS = 1 << 18 };
typedef struct cr_group_list {
  _Atomic uint32_t used; /* slots beyond this were never taken */
  _Atomic int32_t group[CR_GROUPS];
} cr_group_list;

bool cr_group_list_has(cr_group_list *list, int32_t group);

/* Puts a group on the list; false if that is full. Async-signal-safe, and it touches the list
   alone: a child calls it between vfork and exec. NULL: nothing to do. */
bool cr_reaper_add(cr_reaper *reaper, pid_t group);
void cr_reaper_remove(cr_reaper *reaper, pid_t group);

/* A variable for the environment of every child, by which the reaper knows what comes of it: its
   name, `=` and a value that nobody else has. */
#define CR_REAPER_VARIABLE "_SLUICE_CHILD="
const char *cr_reaper_variable(const cr_reaper *reaper);

/* close_range, or the same by hand on a kernel without it. Async-signal-safe. */
void cr_close_descriptors(unsigned first, unsigned last);

#endif
