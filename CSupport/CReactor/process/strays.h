#ifndef CREACTOR_PROCESS_STRAYS_H
#define CREACTOR_PROCESS_STRAYS_H

#include <stddef.h>

#include "process/groups.h"

/* Processes that came of our children but left their groups, by setsid or as daemons. They are
   known by what /proc says: their ancestors are ours, as far as those still live; or the variable
   that every child got is in their environment, whoever their parent is by now. Only a process that
   has neither escapes: an orphan that gave up its environment.

   For a process of its own with one thread, forked from one that may have had more: no function
   here uses the allocator. */

typedef struct cr_stray {
  int32_t pid;
  uint64_t started; /* in clock ticks since boot: with it a number names one process */
} cr_stray;

typedef struct cr_process {
  int32_t pid, parent, group;
  bool ours;
  uint64_t started;
} cr_process;

typedef struct cr_strays {
  cr_stray *stray;
  size_t count, capacity; /* bytes */
  cr_process *process;    /* of the last look, by number */
  size_t processes, process_capacity;
} cr_strays;

/* Looks for strays that are not known yet; how many. `value` is what their environment has. */
size_t cr_strays_look(cr_strays *strays, cr_group_list *groups, const char *value);
/* To all of them from the `first` on. */
void cr_strays_signal(const cr_strays *strays, size_t first, int signal);
/* Forgets those that have ended; how many are left. */
size_t cr_strays_left(cr_strays *strays);

#endif
