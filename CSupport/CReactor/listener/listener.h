#ifndef CREACTOR_LISTENER_LISTENER_H
#define CREACTOR_LISTENER_LISTENER_H

#include <cwire/address.h>

#include "connection/connection.h"
#include "creactor/listener.h"
#include "listener/address_table.h"
#include "loop/loop.h"

/* Lives until it is stopped and its last connection is gone. */
struct cr_listener {
  cr_loop *loop;
  const cr_protocol *protocol; /* that its connections speak */
  cr_listener *next;           /* of the loop */
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

#endif
