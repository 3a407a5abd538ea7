#include "loop/handlers.h"

static void no_request(void *context, cr_id id, const cwire_http1_head *head, cwire_span body) {
  (void)context, (void)id, (void)head, (void)body;
}
static void no_word(void *context, cr_id id, uint64_t tag) {
  (void)context, (void)id, (void)tag;
}
static void no_closed(void *context, cr_id id, uint64_t tag, cr_error error) {
  (void)context, (void)id, (void)tag, (void)error;
}
static void no_response(void *context, cr_id id, uint64_t tag, const cwire_http1_head *head) {
  (void)context, (void)id, (void)tag, (void)head;
}
static void no_response_body(void *context, cr_id id, uint64_t tag, cwire_span piece, bool last,
                             bool reusable) {
  (void)context, (void)id, (void)tag, (void)piece, (void)last, (void)reusable;
}
static void no_upstream_closed(void *context, cr_id id, uint64_t tag, cr_error error, bool sent) {
  (void)context, (void)id, (void)tag, (void)error, (void)sent;
}
static void no_end(void *context, cr_id id) {
  (void)context, (void)id;
}
static void no_overlong(void *context, cr_id id, uint64_t tag, cwire_span part, bool ended) {
  (void)context, (void)id, (void)tag, (void)part, (void)ended;
}
static void no_message(void *context, cr_id id, uint64_t tag, cwire_span message, bool binary) {
  (void)context, (void)id, (void)tag, (void)message, (void)binary;
}
static void no_line(void *context, cr_id id, uint64_t tag, cwire_span line) {
  (void)context, (void)id, (void)tag, (void)line;
}
static void no_drop(void *context, cr_id id, uint64_t tag, cr_chatter_loss loss) {
  (void)context, (void)id, (void)tag, (void)loss;
}
static void no_exit(void *context, cr_id id, uint64_t tag, cr_error error, int64_t status,
                    int signal) {
  (void)context, (void)id, (void)tag, (void)error, (void)status, (void)signal;
}
static void no_timer(void *context, uint64_t token) {
  (void)context, (void)token;
}
static void no_mail(void *context, cr_mail *mail) {
  (void)context, (void)mail;
}
static void no_turn(void *context) {
  (void)context;
}

const cr_handlers cr_handlers_silent = {
    .request = no_request,
    .peer_ended = no_word,
    .closed = no_closed,
    .drained = no_word,
    .response = no_response,
    .response_body = no_response_body,
    .upstream_closed = no_upstream_closed,
    .upstream_gone = no_end,
    .websocket_message = no_message,
    .websocket_opened = no_response,
    .child_line = no_line,
    .child_overlong = no_overlong,
    .child_log = no_line,
    .child_dropped = no_drop,
    .child_exited = no_exit,
    .timer = no_timer,
    .mail = no_mail,
    .turn = no_turn,
};

cr_handlers cr_handlers_complete(const cr_handlers *given) {
  cr_handlers all = cr_handlers_silent;
  if (given->request) all.request = given->request;
  if (given->peer_ended) all.peer_ended = given->peer_ended;
  if (given->closed) all.closed = given->closed;
  if (given->drained) all.drained = given->drained;
  if (given->response) all.response = given->response;
  if (given->response_body) all.response_body = given->response_body;
  if (given->upstream_closed) all.upstream_closed = given->upstream_closed;
  if (given->upstream_gone) all.upstream_gone = given->upstream_gone;
  if (given->websocket_message) all.websocket_message = given->websocket_message;
  if (given->websocket_opened) all.websocket_opened = given->websocket_opened;
  if (given->child_line) all.child_line = given->child_line;
  if (given->child_overlong) all.child_overlong = given->child_overlong;
  if (given->child_log) all.child_log = given->child_log;
  if (given->child_dropped) all.child_dropped = given->child_dropped;
  if (given->child_exited) all.child_exited = given->child_exited;
  if (given->timer) all.timer = given->timer;
  if (given->mail) all.mail = given->mail;
  if (given->turn) all.turn = given->turn;
  return all;
}
