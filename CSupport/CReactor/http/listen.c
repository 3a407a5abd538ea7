#include "creactor/memory.h"
#include "http/server.h"
#include "listener/accepting.h"
#include "listener/admission.h"

/* Listeners whose connections speak HTTP. */

cr_http_limits cr_http_limits_default(void) {
  return (cr_http_limits){
      .max_head = 32 * 1024,
      .max_target = 8 * 1024,
      .max_headers = 100,
      .max_body = 16 * 1024 * 1024,
      .head_timeout = 10 * 1000,
      .body_timeout = 30 * 1000,
      .body_rate = 512,
      .pipeline = 64 * 1024,
      .idle_timeout = 120 * 1000,
      .max_connections = 10000,
      .per_address = 1000,
  };
}

cr_error cr_listener_start(cr_listener **out, cr_loop *loop, cr_group *group, const char *host,
                           uint16_t port, uint32_t label, const cr_http_limits *limits) {
  return cr_listener_open(out, loop, group, &cr_http_server, host, port, label, limits);
}

cr_error cr_listener_adopt(cr_listener **out, cr_loop *loop, cr_group *group, int descriptor,
                           uint32_t label, const cr_http_limits *limits) {
  return cr_listener_take_over(out, loop, group, &cr_http_server, descriptor, label, limits);
}

cr_listener *cr_memory_listen(cr_loop *loop, uint32_t label, const cr_http_limits *limits) {
  return cr_listener_make(loop, &cr_http_server, label, limits);
}
