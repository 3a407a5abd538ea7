#include "connection/slab.h"

#include <stdlib.h>
#include <string.h>

cr_connection *cr_slab_at(const cr_slab *slab, uint32_t slot) {
  cr_connection *connections = slab->chunks[slot / CR_SLAB_CHUNK].connections;
  return connections ? &connections[slot % CR_SLAB_CHUNK] : NULL;
}

cr_connection *cr_slab_find(const cr_slab *slab, cr_id id) {
  uint32_t slot = (uint32_t)(id >> 32) & 0xffffff;
  if (slot >= slab->high) return NULL;
  cr_connection *connection = cr_slab_at(slab, slot);
  bool alive =
      connection && connection->generation == (uint32_t)id && connection->kind != CR_KIND_FREE;
  return alive ? connection : NULL;
}

/* The chunk's connections, made if they are not there. */
static bool fill(cr_slab *slab, uint32_t index) {
  cr_slab_chunk *chunk = &slab->chunks[index];
  chunk->connections = calloc(CR_SLAB_CHUNK, sizeof *chunk->connections);
  if (!chunk->connections) return false;
  chunk->free = 0;
  for (uint32_t slot = (index + 1) * CR_SLAB_CHUNK; slot-- > index * CR_SLAB_CHUNK;) {
    cr_connection *connection = &chunk->connections[slot % CR_SLAB_CHUNK];
    connection->slot = slot;
    connection->next = chunk->free;
    chunk->free = slot + 1;
  }
  return true;
}

static bool grow(cr_slab *slab) {
  cr_slab_chunk *chunks = realloc(slab->chunks, (slab->chunk_count + 1) * sizeof *chunks);
  if (!chunks) return false;
  slab->chunks = chunks;
  chunks[slab->chunk_count] = (cr_slab_chunk){0};
  slab->chunk_count++;
  slab->high = slab->chunk_count * CR_SLAB_CHUNK;
  return true;
}

cr_connection *cr_slab_take(cr_slab *slab) {
  if (slab->used >= slab->limit) return NULL;
  /* The lowest chunk with room, so that the others empty themselves and can be given back. */
  while (slab->first_room < slab->chunk_count &&
         slab->chunks[slab->first_room].used == CR_SLAB_CHUNK)
    slab->first_room++;
  if (slab->first_room == slab->chunk_count && !grow(slab)) return NULL;
  cr_slab_chunk *chunk = &slab->chunks[slab->first_room];
  if (!chunk->connections && !fill(slab, slab->first_room)) return NULL;
  uint32_t slot = chunk->free - 1;
  cr_connection *connection = cr_slab_at(slab, slot);
  chunk->free = connection->next;
  chunk->used++;
  memset(connection, 0, sizeof *connection);
  connection->slot = slot;
  /* One count for all slots: it outlives a chunk that was given back meanwhile. */
  if (++slab->generation == 0) slab->generation = 1;
  connection->generation = slab->generation;
  slab->used++;
  return connection;
}

void cr_slab_give(cr_slab *slab, cr_connection *connection) {
  uint32_t index = connection->slot / CR_SLAB_CHUNK;
  cr_slab_chunk *chunk = &slab->chunks[index];
  connection->kind = CR_KIND_FREE;
  connection->next = chunk->free;
  chunk->free = connection->slot + 1;
  chunk->used--;
  if (index < slab->first_room) slab->first_room = index;
  slab->used--;
}

void cr_slab_trim(cr_slab *slab) {
  bool spare = false;
  for (uint32_t index = 0; index < slab->chunk_count; index++) {
    cr_slab_chunk *chunk = &slab->chunks[index];
    if (!chunk->connections || chunk->used > 0) continue;
    if (spare) {
      free(chunk->connections);
      *chunk = (cr_slab_chunk){0};
    }
    spare = true;
  }
}

void cr_slab_clear(cr_slab *slab) {
  for (uint32_t index = 0; index < slab->chunk_count; index++)
    free(slab->chunks[index].connections);
  free(slab->chunks);
}
