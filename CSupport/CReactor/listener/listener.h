#ifndef CREACTOR_LISTENER_LISTENER_H
#define CREACTOR_LISTENER_LISTENER_H

#include <cwire/address.h>

#include "creactor/listener.h"
#include "loop/loop.h"

/* Lives until it is stopped and its last connection is gone. */
struct cr_listener {
  cr_loop *loop;
  cr_listener *next; /* of the loop */
  cr_http_limits limits;
  cr_tls_context *tls; /* retained; NULL: plain */
  uint32_t label;
  uint32_t connections;        /* on this loop */
  _Atomic(uint32_t) own_total; /* where there is no group */
  _Atomic(uint32_t) *total;    /* on all loops */
  cr_address_table *addresses; /* of the group or of the loop; NULL: no cap by address */
  cwire_network *trusted;      /* whose word on a client's address counts; NULL: nobody's */
  size_t trusted_count;
  bool proxied;   /* its connections begin with the PROXY protocol */
  int descriptor; /* -1: a memory listener */
  int reserve;    /* given up for a moment when descriptors run out; -1: it is lost for now */
  bool grouped;   /* its connections are counted in the loop's group */
  bool stopped;
  bool abandoned; /* the loop ends: nothing is passed on to it any more */
  bool held;      /* by policy: `cr_listener_hold` */
  bool starved;   /* out of descriptors until `retry` fires */
  bool polling;   /* neither of the two, and it is open; `update_polling` */
  bool closed;    /* `poll` is gone, or never was */
  uv_poll_t poll;
  cr_timer_task retry; /* looks again after descriptors ran out altogether */
};

/* Makes a listener of the loop without a descriptor. */
cr_listener *cr_listener_make(cr_loop *loop, uint32_t label, const cr_http_limits *limits);
/* A slot for one more connection of that peer, counted against all limits, but for those of one
   client if the peer is trusted; NULL if one of them says
   no. The caller opens its transport, or gives it up with `cr_listener_forget` and
   `cr_connection_untake`. */
cr_connection *cr_listener_admit(cr_listener *listener, const uint8_t peer[16]);
/* Puts what the listener has between the connection and its transport: the PROXY protocol, then
   TLS, and begins to wait for them. False without memory. */
bool cr_listener_secure(cr_connection *connection, const cr_transport *below);
/* TLS alone, if the listener has it. */
bool cr_listener_encrypt(cr_connection *connection, const cr_transport *below);
/* Takes the connection out of all counts; the listener may be gone afterwards. */
void cr_listener_forget(cr_connection *connection);
void cr_listeners_close(cr_loop *loop);

/* Group: counts of connections by loop, and who should take the next one. */
void cr_group_count(cr_group *group, uint32_t index, int change);
/* Where the connections of all listeners with that label are counted; NULL when there are too many
   labels. */
_Atomic(uint32_t) *cr_group_seat(cr_group *group, uint32_t label);
/* The group's one table, made for so many peers by who asks first; NULL without memory. */
cr_address_table *cr_group_addresses(cr_group *group, uint32_t peers);
/* The index of the loop to pass a connection on to, counted there already; or `index` itself. */
uint32_t cr_group_choose(cr_group *group, uint32_t index);
cr_loop *cr_group_member(cr_group *group, uint32_t index);
void cr_group_leave(cr_group *group, uint32_t index);

/* Resolves a listening address: numeric, or a name by the system's resolver (blocking; at start
 * only). */
cr_error cr_listen_address(const char *host, uint16_t port, struct sockaddr_storage *out,
                           socklen_t *length);

#endif
