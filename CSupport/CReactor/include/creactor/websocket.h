#ifndef CREACTOR_WEBSOCKET_H
#define CREACTOR_WEBSOCKET_H

#include "creactor/http.h"

/* WebSocket connections (RFC 6455, RFC 7692) on both sides. Pings, pongs, close frames, masks,
 * fragments, compression and limits are dealt with inside; policy sees whole messages.
 *
 * Texts are UTF-8 when policy gets them. `closed` (downstream) and `upstream_closed` (client side)
 * tell the end; ask `cr_websocket_close_code` from within for the code that the peer sent. The
 * error is CR_REASON_PEER_CLOSED after the peer's close frame or the bare end of its stream, and of
 * CR_DOMAIN_WEBSOCKET with the code that we sent if what came broke a rule or a limit.
 *
 * A peer that does not read what it is sent is not read from either while more than the loop's high
 * mark waits for it, so policy need not pause it for its own answers. While policy pauses it with
 * `cr_read_pause`, its pings wait too. */

/* What the connections of one place have in common. Kept by reference: it outlives them all. */
typedef struct cr_websocket_settings {
  uint64_t max_message;           /* bytes of an incoming message, inflated: 1009 */
  uint64_t max_frame;             /* the largest frame that we send */
  bool strict_frame_size;         /* and that we take: 1009 */
  bool compression;               /* offer and accept permessage-deflate */
  uint32_t compression_threshold; /* messages above so many bytes are deflated */
  uint32_t ping_interval;         /* ms without a byte from the peer; 0: never */
  uint32_t pong_timeout;  /* ms after a ping without a byte from the peer; then it is closed */
  uint32_t close_timeout; /* ms to the peer's close frame, once nothing of ours waits any more */
} cr_websocket_settings;
cr_websocket_settings cr_websocket_settings_default(void);

typedef enum cr_websocket_kind {
  CR_WEBSOCKET_TEXT = 1,
  CR_WEBSOCKET_BINARY = 2,
} cr_websocket_kind;

/* Answers the request being handled with 101 and turns the connection into a WebSocket; from then
 * on `websocket_message` tells what comes. `protocol`: the subprotocol to name, if it was offered;
 * empty for none. `headers`: further lines. If the request is no proper handshake it is answered
 * here (400, 405, 426; 503 after `cr_http_drain`), and the result is CR_WRITE_STALE. Only from
 * within `request`. The tag is kept. */
cr_write cr_websocket_accept(cr_loop *loop, cr_id connection, const cwire_http1_head *head,
                             const cr_websocket_settings *settings, cwire_span protocol,
                             cwire_span headers);

/* One message in pieces, in frames of at most `max_frame`, deflated if that was agreed upon and it
 * is above the threshold. */
cr_write cr_websocket_send(cr_loop *loop, cr_id connection, cr_websocket_kind kind,
                           const cwire_span *pieces, size_t count);

/* A message that many connections get: encoded at most once plain and once deflated for each size
 * of window, with the first connection that needs it so, and shared by reference. Texts only, and
 * server side only. Thread: one loop's. */
typedef struct cr_broadcast cr_broadcast;
cr_broadcast *cr_broadcast_make(cwire_span message);
void cr_broadcast_free(cr_broadcast *broadcast);
cr_write cr_websocket_send_broadcast(cr_loop *loop, cr_id connection, cr_broadcast *broadcast);

/* Sends a close frame and awaits the peer's, for `close_timeout` at most; nothing more of it is
 * told, its end neither. `reason`: UTF-8, at most 123 bytes. `cr_close` is this with code 1000. */
void cr_websocket_close(cr_loop *loop, cr_id connection, unsigned code, cwire_span reason);

/* The code of the peer's close frame (1005 if it had none); 1006 if there was no such frame; 0 if
 * this is no WebSocket. */
unsigned cr_websocket_close_code(cr_loop *loop, cr_id connection);

/* ---- Client side ---- */

/* Connects and opens a WebSocket. `target`: the request target; `protocol`: offered if not empty,
 * and then the server may choose it or none; `headers`: further request lines (authorization, …).
 * `websocket_opened` tells success; refusal and failure come by `upstream_closed`. 0 if the loop is
 * full. Frames are masked with keys from the loop's generator. */
cr_id cr_websocket_connect(cr_loop *loop, const cr_endpoint *endpoint,
                           const cr_websocket_settings *settings, cwire_span target,
                           cwire_span authority, cwire_span protocol, cwire_span headers,
                           uint64_t tag);

#endif
