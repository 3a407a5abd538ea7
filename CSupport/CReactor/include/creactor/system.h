#ifndef CREACTOR_SYSTEM_H
#define CREACTOR_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Processors that this process may run on, by its affinity; at least 1. */
int cr_system_processors(void);

/* Raises the soft limit on descriptors to the hard one. `before` gets what it was. What it is now;
   0 if that is unknown. */
uint64_t cr_system_raise_descriptors(uint64_t *before);

/* Bytes of memory that the machine has; 0 if that is unknown. */
uint64_t cr_system_machine_memory(void);

/* Bytes of a process: its address space, what of it is in memory, and what of it is data of its own
   (RLIMIT_DATA in getrlimit(2)). */
typedef struct cr_memory_sizes {
  uint64_t space, resident, data;
} cr_memory_sizes;

/* What this process may have (RLIMIT_AS, RLIMIT_DATA); UINT64_MAX where there is no limit. */
cr_memory_sizes cr_system_memory_limits(void);
/* What it has now; all 0 if that is unknown. */
cr_memory_sizes cr_system_memory_use(void);

/* Reads a small file, such as those below /proc and /sys. Its length; -1 if it can't be read, or
   has `capacity` bytes or more. */
ptrdiff_t cr_system_read(const char *path, char *out, size_t capacity);

/* Whether an extended attribute of a file is "1". */
bool cr_system_is_marked(const char *path, const char *attribute);

/* Bytes of our own that are in memory and not in use by whoever asked the allocator, apart from a
   constant: stacks and such are among them, and what was never touched is taken off. For
   comparison; it may be negative. Locks the allocator for a while: for rare use. */
int64_t cr_system_unused(void);
/* Gives pages that the allocator does not use back to the system. Takes milliseconds. */
void cr_system_trim(void);
/* Gives back the unused end of the calling thread's heap, which `cr_system_trim` leaves alone
   except for the first thread's. */
void cr_system_trim_thread(void);

/* Names the calling thread, for debuggers and `top`; at most 15 bytes are kept. */
void cr_system_name_thread(const char *name);

/* Blocks these signals for the calling thread and all that it starts later, and gives a descriptor
   that is readable while one of them waits (signalfd(2)); a negative errno value otherwise. */
int cr_signals_open(const int *signals, size_t count);
/* The next of them; 0 if there is none. Does not block. */
int cr_signals_take(int descriptor);

#endif
