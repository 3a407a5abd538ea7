#ifndef CREACTOR_CONNECTION_SLAB_H
#define CREACTOR_CONNECTION_SLAB_H

#include "connection/connection.h"
#include "loop/loop.h"

cr_connection *cr_slab_take(cr_slab *slab);
void cr_slab_give(cr_slab *slab, cr_connection *connection);
/* Whoever has that slot and generation, closing or not; the worker is not looked at. */
cr_connection *cr_slab_find(const cr_slab *slab, cr_id id);
/* NULL where the chunk was given back. */
cr_connection *cr_slab_at(const cr_slab *slab, uint32_t slot);
/* Gives back chunks that nobody uses, but for one. Not from within a callback of a connection. */
void cr_slab_trim(cr_slab *slab);
void cr_slab_clear(cr_slab *slab);

#endif
