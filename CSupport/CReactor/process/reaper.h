#ifndef CREACTOR_PROCESS_REAPER_H
#define CREACTOR_PROCESS_REAPER_H

#include <sys/types.h>

#include "creactor/process.h"

/* Puts a group on the list; false if that is full. Async-signal-safe, and it touches the list
   alone: a child calls it between vfork and exec. NULL: nothing to do. */
bool cr_reaper_add(cr_reaper *reaper, pid_t group);
void cr_reaper_remove(cr_reaper *reaper, pid_t group);

/* A variable for the environment of every child, by which the reaper knows what comes of it: its
   name, `=` and a value that nobody else has. */
#define CR_REAPER_VARIABLE "_SLUICE_CHILD="
const char *cr_reaper_variable(const cr_reaper *reaper);

/* Once in a process, before its first child. Who ignores SIGCHLD, as a parent may have left it to
   us, has its children reaped by the kernel: their exit codes are lost, and their numbers are
   another's before we know. */
void cr_reaping_prepare(void);

#endif
