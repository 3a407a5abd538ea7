#ifndef CREACTOR_LISTENER_ADMISSION_H
#define CREACTOR_LISTENER_ADMISSION_H

#include "listener/listener.h"

/* Whether a listener takes one connection more, and what it is counted among. */

/* Makes a listener of the loop without a descriptor; NULL without memory. */
cr_listener *cr_listener_make(cr_loop *loop, const cr_protocol *protocol, uint32_t label,
                              const cr_http_limits *limits);
/* A slot for one more connection of that peer, counted against all limits, but for those of one
   client if the peer is trusted; NULL if one of them says no. The caller opens its transport, or
   gives it up with `cr_listener_forget` and `cr_connection_untake`. */
cr_connection *cr_listener_admit(cr_listener *listener, const uint8_t peer[16]);
/* TLS alone, if the listener has it. */
bool cr_listener_encrypt(cr_connection *connection, const cr_transport *below);
/* Frees one that the loop has given up, once its socket is closed and its last connection gone. */
void cr_listener_free_if_done(cr_listener *listener);
/* Takes the connection out of all counts; the listener may be gone afterwards. */
void cr_listener_forget(cr_connection *connection);

#endif
