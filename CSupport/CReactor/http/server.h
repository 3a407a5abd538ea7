#ifndef CREACTOR_HTTP_SERVER_H
#define CREACTOR_HTTP_SERVER_H

#include "connection/connection.h"

/* HTTP/1.1 on connections that a listener accepted: one request at a time is handed to policy, the
   answer is written by reply.c. */
extern const cr_protocol cr_http_server;

#endif
