#ifndef CREACTOR_HTTP_CLIENT_H
#define CREACTOR_HTTP_CLIENT_H

#include "connection/connection.h"
#include "creactor/http.h"

/* What takes over a client connection whose one request asks for another protocol (RFC 9110 section
   7.8). Embedded at the start of one allocation. */
typedef struct cr_upgrade {
  /* Whether an answer, of any status that is not interim, is the one that was asked for; else why
     the connection ends. */
  cr_error (*answered)(struct cr_upgrade *upgrade, const cwire_http1_head *head);
  /* Takes the connection, whose protocol has let go of all it had, and the upgrade. */
  void (*begin)(cr_connection *connection, struct cr_upgrade *upgrade,
                const cwire_http1_head *head);
} cr_upgrade;

/* `cr_http_connect`, with an upgrade to expect (taken over if the connection is made) or NULL. */
cr_id cr_http_connect_for(cr_loop *loop, const cr_endpoint *endpoint, uint64_t tag,
                          cr_upgrade *upgrade);

#endif
