#ifndef CREACTOR_SYSTEM_H
#define CREACTOR_SYSTEM_H

/* Processors that this process may use: by its affinity and by its cgroup's quota; at least 1. */
int cr_system_processors(void);

/* Names the calling thread, for debuggers and `top`; at most 15 bytes are kept. */
void cr_system_name_thread(const char *name);

#endif
