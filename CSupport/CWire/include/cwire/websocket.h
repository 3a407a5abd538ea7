#ifndef CWIRE_WEBSOCKET_H
#define CWIRE_WEBSOCKET_H

#include "cwire/http1.h"
#include "cwire/span.h"
#include "cwire/utf8.h"
#include "cwire/writer.h"

/* WebSocket frames and the opening handshake's fields, RFC 6455, with the one extension of RFC
 * 7692. Nothing here allocates; one thread at a time. */

typedef enum cwire_ws_opcode {
  CWIRE_WS_CONTINUATION = 0x0,
  CWIRE_WS_TEXT = 0x1,
  CWIRE_WS_BINARY = 0x2,
  CWIRE_WS_CLOSE = 0x8,
  CWIRE_WS_PING = 0x9,
  CWIRE_WS_PONG = 0xA,
} cwire_ws_opcode;

/* Close codes that we send, RFC 6455 section 7.4.1 and the IANA registry. */
typedef enum cwire_ws_close {
  CWIRE_WS_NORMAL = 1000,
  CWIRE_WS_GOING_AWAY = 1001,
  CWIRE_WS_PROTOCOL_ERROR = 1002,
  CWIRE_WS_UNSUPPORTED = 1003,
  CWIRE_WS_NO_STATUS = 1005, /* never on the wire: the close frame was empty */
  CWIRE_WS_ABNORMAL = 1006,  /* never on the wire: there was no close frame */
  CWIRE_WS_INVALID_DATA = 1007,
  CWIRE_WS_POLICY = 1008,
  CWIRE_WS_TOO_BIG = 1009,
  CWIRE_WS_INTERNAL = 1011,
  CWIRE_WS_TRY_AGAIN = 1013,
} cwire_ws_close;

/* Which end the bytes come from: a client's frames are masked, a server's are not (section 5.1). */
typedef enum cwire_ws_peer { CWIRE_WS_CLIENT, CWIRE_WS_SERVER } cwire_ws_peer;

/* ---- Reading ---- */

#define CWIRE_WS_HEAD_MAX 14u
#define CWIRE_WS_CONTROL_MAX 125u

typedef struct cwire_ws_head {
  uint64_t length;
  uint8_t mask[4];
  uint8_t opcode;
  bool fin;
  bool compressed; /* RSV1 */
  bool masked;
} cwire_ws_head;

/* One frame's head. Returns its bytes (2 to 14), 0 if more are needed, or minus a cwire_ws_close:
 * reserved bits and opcodes, control frames that are long or fragmented, a length that is not in
 * its shortest form or has its top bit set, a mask where there must be none and the reverse. */
ptrdiff_t cwire_ws_parse_head(cwire_ws_head *head, cwire_span input, cwire_ws_peer peer);

/* Masks or unmasks in place; `offset` is where in the frame's payload the bytes lie. */
void cwire_ws_mask(uint8_t *bytes, size_t length, const uint8_t mask[4], uint64_t offset);

typedef struct cwire_ws_limits {
  uint64_t max_message; /* bytes, inflated: else 1009 */
  uint64_t max_frame;   /* bytes of one frame's payload, 0: any: else 1009 */
  bool deflate;         /* permessage-deflate was agreed upon: RSV1 may be set */
} cwire_ws_limits;

typedef enum cwire_ws_step {
  CWIRE_WS_MORE = 1, /* the input is used up */
  CWIRE_WS_DATA,     /* a piece of a message's payload: event.data, event.last */
  CWIRE_WS_CONTROL,  /* a whole ping, pong or close: event.opcode, event.data, event.code */
  CWIRE_WS_FAILED,   /* event.code says why; nothing that follows may be read */
} cwire_ws_step;

typedef struct cwire_ws_event {
  cwire_span data; /* unmasked in place, so within the input; a close's is its reason */
  uint16_t code;  /* close: its code, CWIRE_WS_NO_STATUS if it had none; FAILED: the code to send */
  uint8_t opcode; /* DATA: of the message, TEXT or BINARY */
  bool first;     /* DATA: the message begins with this piece */
  bool last;      /* DATA: and ends with this one */
  /* DATA: the message is deflated; UTF-8 and the length of what comes of it are the caller's to
   * check. As it travels it is held to max_message and an eighth. */
  bool compressed;
} cwire_ws_event;

/* Where between frames and messages a stream of bytes is. All zero: between messages; a connection
 * in that state needs to keep none of it. */
typedef struct cwire_ws_reader {
  uint64_t left;    /* bytes of the frame being read that are still to come */
  uint64_t message; /* bytes of the message so far, as they travel */
  uint32_t mask;    /* as it lies in memory, turned to the next byte */
  uint8_t opcode;   /* of the message being read; 0 between messages */
  bool compressed;
  bool in_frame;
  bool fin;
  cwire_utf8_state utf8; /* of a text that is not compressed */
} cwire_ws_reader;

static inline bool cwire_ws_at_rest(const cwire_ws_reader *reader) {
  return reader->opcode == 0 && !reader->in_frame;
}

/* Takes from the front of `*input` (which is scribbled on) up to the next thing to report. Bytes of
 * a head or of a control frame that is not whole yet are left in the input with MORE: give them
 * again in front of what follows, at most CWIRE_WS_HEAD_MAX + CWIRE_WS_CONTROL_MAX of them. */
cwire_ws_step cwire_ws_next(cwire_ws_reader *reader, const cwire_ws_limits *limits,
                            cwire_ws_peer peer, cwire_span *input, cwire_ws_event *event);

/* ---- Writing ---- */

/* The head of a frame of `length` bytes. `mask` NULL: not masked (a server's). The bytes written.
 */
size_t cwire_ws_put_head(uint8_t out[CWIRE_WS_HEAD_MAX], cwire_ws_opcode opcode, bool fin,
                         bool compressed, uint64_t length, const uint8_t *mask);

/* ---- The opening handshake ---- */

#define CWIRE_WS_ACCEPT_LENGTH 28u

/* Sec-WebSocket-Accept of a key (section 4.2.2). False if the key is not base64 of 16 bytes. */
bool cwire_ws_accept(cwire_span key, uint8_t out[CWIRE_WS_ACCEPT_LENGTH]);

/* Whether a request asks for a WebSocket as section 4.2.1 has it. 0, or the status to answer: 400
 * for a broken one, 405 for another method than GET, 426 for another version than 13 (the answer
 * then names 13) or no upgrade at all. */
int cwire_ws_check_request(const cwire_http1_head *head);

/* What was agreed upon by Sec-WebSocket-Extensions: deflated messages, each of its own (no context
 * take-over on either side), with windows of at most so many bits, 8 to 15. A server never has 8
 * for its own. A client that is told 8 deflates with 9: zlib's windows of 9 reach back less than
 * 256 bytes. */
typedef struct cwire_ws_deflate {
  bool on;
  uint8_t server_bits;
  uint8_t client_bits;
  bool names_server_bits; /* the answer names them */
  bool names_client_bits;
} cwire_ws_deflate;

/* The server's choice among the offers of a request (RFC 7692 section 7.1): the first that can be
 * met. `on` false: decline. Offers with unknown, repeated or ill-formed parameters, and those that
 * demand server_max_window_bits=8, are declined. */
cwire_ws_deflate cwire_ws_accept_offer(const cwire_http1_head *request);

#define CWIRE_WS_AGREED_MAX 136u

/* "permessage-deflate; …" as the server answers it, at most CWIRE_WS_AGREED_MAX bytes. */
void cwire_ws_put_agreed(cwire_writer *writer, const cwire_ws_deflate *agreed);

/* What a client makes of the answer to its offer, which was
 * "permessage-deflate; server_no_context_takeover; client_no_context_takeover;
 * client_max_window_bits". False if the answer breaks the rules and the connection must fail. */
bool cwire_ws_read_agreed(const cwire_http1_head *response, cwire_ws_deflate *agreed);

/* Whether the subprotocol list of a request or the choice of a response has this one. */
bool cwire_ws_has_protocol(const cwire_http1_head *head, cwire_span protocol);

#endif
