#ifndef CREACTOR_LISTENER_ACCEPTING_H
#define CREACTOR_LISTENER_ACCEPTING_H

#include <sys/socket.h>

#include "listener/listener.h"

/* `cr_listener_start` and `cr_listener_adopt`, for connections that speak this protocol. */
cr_error cr_listener_open(cr_listener **out, cr_loop *loop, cr_group *group,
                          const cr_protocol *protocol, const char *host, uint16_t port,
                          uint32_t label, const cr_http_limits *limits);
cr_error cr_listener_take_over(cr_listener **out, cr_loop *loop, cr_group *group,
                               const cr_protocol *protocol, int descriptor, uint32_t label,
                               const cr_http_limits *limits);
/* Closes all listeners of a loop that ends. */
void cr_listeners_close(cr_loop *loop);

/* Resolves a listening address: numeric, or a name by the system's resolver (blocking; at start
 * only). */
cr_error cr_listen_address(const char *host, uint16_t port, struct sockaddr_storage *out,
                           socklen_t *length);

#endif
