#ifndef CREACTOR_NAMES_H
#define CREACTOR_NAMES_H

#include <stddef.h>

/* All addresses of a name, for who wants to spread what it does over them. Connections look names
   up by themselves (connector/resolver.h). */

/* What a numeric address takes, with the blank before the next one. */
enum { CR_NAMES_ADDRESS = 64 };

/* Asks the system's resolver, on the calling thread, which is none of a loop's: it may take as long
   as that is patient. Writes the numeric addresses, IPv4 and IPv6 where this machine has any of
   that family itself, in the resolver's order, each once, separated by blanks: as many as there is
   room for, and a NUL. 0, or a negative UV_EAI code. */
int cr_names_find(const char *host, char *addresses, size_t capacity);

#endif
