#include "listener/client_address.h"

#include <cwire/forwarded.h>
#include <stdlib.h>
#include <string.h>

#include "connection/slab.h"

enum { LEAST_CLIENTS = 256 };

bool cr_client_is_trusted(const cr_listener *listener, const uint8_t address[16]) {
  for (size_t index = 0; index < listener->trusted_count; index++) {
    if (cwire_network_has(&listener->trusted[index], address)) return true;
  }
  return false;
}

const uint8_t *cr_client_address(const cr_connection *connection) {
  return connection->forwarded ? connection->loop->clients[connection->slot] : connection->peer;
}

bool cr_client_count(cr_connection *connection) {
  const cr_listener *listener = connection->server.listener;
  const uint8_t *address = cr_client_address(connection);
  if (!listener->addresses || cr_client_is_trusted(listener, address)) return true;
  uint32_t count = cr_address_add(listener->addresses, address);
  connection->counted = count > 0 && count <= listener->limits.per_address;
  if (count > 0 && !connection->counted) cr_address_remove(listener->addresses, address);
  return connection->counted;
}

void cr_client_uncount(cr_connection *connection) {
  if (!connection->counted) return;
  connection->counted = 0;
  cr_address_remove(connection->server.listener->addresses, cr_client_address(connection));
}

void cr_client_is(cr_connection *connection, const uint8_t address[16]) {
  memcpy(connection->peer, address, 16);
  connection->trusted = cr_client_is_trusted(connection->server.listener, address);
}

/* Room for the client of that slot. Few loops need any, so connections have none of their own. */
static bool ensure_room(cr_loop *loop, uint32_t slot) {
  if (slot < loop->client_room) return true;
  uint32_t room = loop->client_room ? loop->client_room : LEAST_CLIENTS;
  while (room <= slot)
    room *= 2;
  uint8_t(*clients)[16] = realloc(loop->clients, room * sizeof *clients);
  if (!clients) return false;
  loop->clients = clients;
  loop->client_room = room;
  return true;
}

/* The last hop that is no trusted proxy, since those before it are its own tale; of proxies alone
   the first one, which asks for itself. False if nothing is said, or nothing that can be read. */
static bool named_by(const cr_listener *listener, const cwire_http1_head *head, uint8_t out[16]) {
  cwire_span hops[CWIRE_FORWARDED_MOST];
  size_t count = cwire_forwarded_hops(head, hops);
  for (size_t index = 0; index < count; index++) {
    if (!cwire_forwarded_address(hops[index], out)) return false;
    if (!cr_client_is_trusted(listener, out)) return true;
  }
  return count > 0;
}

bool cr_client_asks_as_named(cr_connection *connection, const cwire_http1_head *head) {
  uint8_t client[16];
  bool named = named_by(connection->server.listener, head, client) &&
               ensure_room(connection->loop, connection->slot);
  if (!named && !connection->forwarded) return true;
  if (named && connection->forwarded && memcmp(cr_client_address(connection), client, 16) == 0)
    return true;
  cr_client_uncount(connection);
  connection->forwarded = named;
  if (named) memcpy(connection->loop->clients[connection->slot], client, 16);
  return cr_client_count(connection);
}

/* ---- For policy ---- */

/* Closing or not, so that `closed` can still ask. */
static cr_connection *downstream(cr_loop *loop, cr_id id) {
  cr_connection *connection = cr_slab_find(&loop->slab, id);
  bool ours = connection && connection->kind == CR_KIND_DOWNSTREAM && connection->server.listener;
  return ours && cr_connection_id(connection) == id ? connection : NULL;
}

uint32_t cr_connection_listener(cr_loop *loop, cr_id id) {
  cr_connection *connection = downstream(loop, id);
  return connection ? connection->server.listener->label : 0;
}

bool cr_connection_client(cr_loop *loop, cr_id id, uint8_t out[16]) {
  const cr_connection *connection = downstream(loop, id);
  if (connection) memcpy(out, cr_client_address(connection), 16);
  return connection != NULL;
}

bool cr_connection_is_proxy(cr_loop *loop, cr_id id) {
  const cr_connection *connection = downstream(loop, id);
  return connection && (connection->trusted || connection->server.listener->proxied);
}
