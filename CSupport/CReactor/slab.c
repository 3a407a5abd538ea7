#include <stdlib.h>
#include <string.h>

#include "loop_private.h"

cr_connection *cr_slab_at(const cr_slab *slab, uint32_t slot) {
  return &slab->chunks[slot / CR_SLAB_CHUNK][slot % CR_SLAB_CHUNK];
}

cr_connection *cr_slab_find(const cr_slab *slab, cr_id id) {
  uint32_t slot = (uint32_t)(id >> 32) & 0xffffff;
  if (slot >= slab->high) return NULL;
  cr_connection *connection = cr_slab_at(slab, slot);
  bool alive = connection->generation == (uint32_t)id && connection->kind != CR_KIND_FREE;
  return alive ? connection : NULL;
}

static bool grow(cr_slab *slab) {
  cr_connection **chunks = realloc(slab->chunks, (slab->chunk_count + 1) * sizeof *chunks);
  if (!chunks) return false;
  slab->chunks = chunks;
  cr_connection *chunk = calloc(CR_SLAB_CHUNK, sizeof *chunk);
  if (!chunk) return false;
  chunks[slab->chunk_count++] = chunk;
  return true;
}

cr_connection *cr_slab_take(cr_slab *slab) {
  if (slab->used >= slab->limit) return NULL;
  uint32_t slot;
  cr_connection *connection;
  if (slab->free) {
    slot = slab->free - 1;
    connection = cr_slab_at(slab, slot);
    slab->free = connection->next;
  } else {
    if (slab->high == slab->chunk_count * CR_SLAB_CHUNK && !grow(slab)) return NULL;
    slot = slab->high++;
    connection = cr_slab_at(slab, slot);
  }
  uint32_t generation = connection->generation + 1;
  memset(connection, 0, sizeof *connection);
  connection->slot = slot;
  connection->generation = generation ? generation : 1;
  slab->used++;
  return connection;
}

void cr_slab_give(cr_slab *slab, cr_connection *connection) {
  connection->kind = CR_KIND_FREE;
  connection->next = slab->free;
  slab->free = connection->slot + 1;
  slab->used--;
}
