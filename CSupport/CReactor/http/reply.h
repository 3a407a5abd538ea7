#ifndef CREACTOR_HTTP_REPLY_H
#define CREACTOR_HTTP_REPLY_H

#include "connection/connection.h"
#include "creactor/http.h"

/* The connection, if it awaits the answer to a request; else NULL. */
cr_connection *cr_http_awaiting(cr_loop *loop, cr_id id);

/* One of the answers that this library gives by itself, then the connection ends. */
void cr_http_refuse(cr_connection *connection, int status);
/* Gives no further answer: ends the sending side and throws away what comes, for a while. */
void cr_http_linger(cr_connection *connection);
/* Ends it at once, so that an answer that is under way is seen to be unfinished. */
void cr_http_cut(cr_connection *connection);
void cr_http_heartbeat(cr_connection *connection);

#endif
