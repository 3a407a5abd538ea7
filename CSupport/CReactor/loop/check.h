#ifndef CREACTOR_LOOP_CHECK_H
#define CREACTOR_LOOP_CHECK_H

/* What must be true if our own code is right: checked where DEBUG is defined, as in the builds that
   tests use, and free elsewhere. */
#ifdef DEBUG
#include <assert.h>
#define cr_assert(condition) assert(condition)
#else
#define cr_assert(condition) ((void)sizeof(condition))
#endif

#endif
