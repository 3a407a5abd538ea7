#include "listener/admission.h"

#include <stdlib.h>
#include <string.h>

#include "listener/client_address.h"
#include "listener/group.h"
#include "listener/relief.h"
#include "tls/tls.h"
#include "tls/transport.h"

/* The table of addresses is made once, and limits may be raised later. */
enum { LEAST_PEERS = 1 << 15 };

cr_listener *cr_listener_make(cr_loop *loop, const cr_protocol *protocol, uint32_t label,
                              const cr_http_limits *limits) {
  cr_listener *listener = calloc(1, sizeof *listener);
  if (!listener) return NULL;
  listener->loop = loop;
  listener->protocol = protocol;
  listener->label = label;
  listener->limits = *limits;
  listener->descriptor = listener->reserve = -1;
  listener->closed = true;
  listener->retry.timer.kind = CR_TIMER_TASK;
  listener->total = loop->group ? cr_group_seat(loop->group, label) : NULL;
  if (!listener->total) listener->total = &listener->own_total;
  if (limits->per_address) {
    uint32_t peers = limits->max_connections > LEAST_PEERS ? limits->max_connections : LEAST_PEERS;
    if (!loop->group && !loop->addresses) loop->addresses = cr_address_table_make(peers);
    listener->addresses = loop->group ? cr_group_addresses(loop->group, peers) : loop->addresses;
    if (!listener->addresses) {
      free(listener);
      return NULL;
    }
  }
  listener->next = loop->listeners;
  loop->listeners = listener;
  return listener;
}

void cr_listener_free_if_done(cr_listener *listener) {
  if (!listener->abandoned || !listener->closed || listener->connections > 0) return;
  cr_listener **place = &listener->loop->listeners;
  while (*place != listener)
    place = &(*place)->next;
  *place = listener->next;
  cr_tls_context_free(listener->tls);
  free(listener->trusted);
  free(listener);
}

/* False if there are too many; nothing is counted then. */
static bool count_in(cr_listener *listener) {
  uint32_t most = listener->limits.max_connections;
  uint32_t total = atomic_fetch_add_explicit(listener->total, 1, memory_order_relaxed) + 1;
  if (most == 0 || total <= most) return true;
  atomic_fetch_sub_explicit(listener->total, 1, memory_order_relaxed);
  return false;
}

cr_connection *cr_listener_admit(cr_listener *listener, const uint8_t peer[16]) {
  cr_loop *loop = listener->loop;
  if (cr_loop_refuses(loop, NULL) || !count_in(listener)) return NULL;
  cr_connection *connection = cr_connection_take(loop, CR_KIND_DOWNSTREAM, listener->protocol);
  if (connection) {
    connection->server.listener = listener;
    cr_client_is(connection, peer);
  }
  if (!connection || !cr_client_count(connection)) {
    if (connection) cr_connection_untake(connection);
    atomic_fetch_sub_explicit(listener->total, 1, memory_order_relaxed);
    return NULL;
  }
  listener->connections++;
  loop->counts.accepted++;
  /* Until the first request, whatever has to come before it. */
  cr_connection_set_timer(connection, cr_loop_time(loop) + listener->limits.head_timeout);
  return connection;
}

bool cr_listener_encrypt(cr_connection *connection, const cr_transport *below) {
  cr_listener *listener = connection->server.listener;
  if (!listener->tls) return true;
  if (!cr_tls_attach_server(connection, below, listener->tls)) return false;
  cr_connection_set_timer(connection, cr_loop_time(listener->loop) + listener->limits.head_timeout);
  return true;
}

void cr_listener_set_tls(cr_listener *listener, cr_tls_context *context) {
  cr_tls_context *old = listener->tls;
  listener->tls = context ? cr_tls_context_retain(context) : NULL;
  cr_tls_context_free(old);
}

void cr_listener_forget(cr_connection *connection) {
  cr_listener *listener = connection->server.listener;
  cr_loop *loop = listener->loop;
  cr_client_uncount(connection);
  atomic_fetch_sub_explicit(listener->total, 1, memory_order_relaxed);
  if (listener->grouped) cr_group_count(loop->group, loop->group_index, -1);
  listener->connections--;
  connection->server.listener = NULL;
  cr_listener_free_if_done(listener);
}

void cr_listener_set_limits(cr_listener *listener, const cr_http_limits *limits) {
  listener->limits = *limits;
}

bool cr_listener_set_proxies(cr_listener *listener, const cwire_network *networks, size_t count,
                             bool proxy_protocol) {
  cwire_network *copy = count > 0 ? malloc(count * sizeof *copy) : NULL;
  if (count > 0 && !copy) return false;
  if (count > 0) memcpy(copy, networks, count * sizeof *copy);
  free(listener->trusted);
  listener->trusted = copy;
  listener->trusted_count = count;
  listener->proxied = proxy_protocol;
  return true;
}
