#ifndef LOAD_GAUGE_H
#define LOAD_GAUGE_H

#include <stdint.h>

#include "options.h"

/* What the server's processes use, out of /proc. */
typedef struct gauge {
  uint64_t cpu; /* ns, user and system, since they started */
  uint64_t pss; /* bytes: private memory, and a fair part of what is shared */
} gauge;

/* Sums over the processes of the command line. False, with a message, if one can't be read. */
bool gauge_read(gauge *gauge, const options *options);

#endif
