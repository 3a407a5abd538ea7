#ifndef CREACTOR_LOOP_HANDLERS_H
#define CREACTOR_LOOP_HANDLERS_H

#include "creactor/loop.h"

/* Policy's handlers are called without looking whether they are there: these stand for all of them
   while a loop is being destroyed. */
extern const cr_handlers cr_handlers_silent;
/* What policy gave, and what does nothing where it gave none. */
cr_handlers cr_handlers_complete(const cr_handlers *given);

#endif
