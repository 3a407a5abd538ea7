#include <stdlib.h>
#include <string.h>

#include "websocket/send.h"

/* Encodings that receivers differ in: not deflated, or with windows of 9 to 15 bits. */
enum { ENCODINGS = CWIRE_DEFLATE_MAX_BITS - CWIRE_DEFLATE_MIN_BITS + 2, PLAIN = 0 };

struct cr_broadcast {
  cr_frame *message;
  cr_frame *encoded[ENCODINGS];
  bool tried[ENCODINGS];
};

cr_broadcast *cr_broadcast_make(cwire_span message) {
  cr_broadcast *broadcast = calloc(1, sizeof *broadcast);
  if (!broadcast) return NULL;
  broadcast->message = cr_frame_make(&message, 1);
  if (broadcast->message) return broadcast;
  free(broadcast);
  return NULL;
}

void cr_broadcast_free(cr_broadcast *broadcast) {
  if (!broadcast) return;
  for (int index = 0; index < ENCODINGS; index++)
    cr_frame_release(broadcast->encoded[index]);
  cr_frame_release(broadcast->message);
  free(broadcast);
}

/* The message as frames of at most `most` bytes in one run of bytes. */
static cr_frame *frames_of(cwire_span message, bool compressed, uint64_t most) {
  if (most == 0) most = UINT64_MAX;
  size_t heads = CWIRE_WS_HEAD_MAX * (message.length / most + 1);
  cr_frame *whole = cr_frame_reserve(message.length + heads);
  if (!whole) return NULL;
  uint8_t *end = cr_frame_bytes(whole);
  cwire_ws_opcode opcode = CWIRE_WS_TEXT;
  do {
    cwire_span part = cwire_span_take(message, most);
    message = cwire_span_drop(message, part.length);
    end += cwire_ws_put_head(end, opcode, message.length == 0, compressed, part.length, NULL);
    if (part.length) memcpy(end, part.base, part.length);
    end += part.length;
    opcode = CWIRE_WS_CONTINUATION;
    compressed = false;
  } while (message.length > 0);
  cr_frame_trim(whole, (size_t)(end - cr_frame_bytes(whole)));
  return whole;
}

/* What this connection is sent: deflated if that was agreed upon and is shorter. */
static cr_frame *encoding_for(cr_broadcast *broadcast, cr_connection *connection) {
  const cr_websocket_settings *settings = cr_websocket_settings_of(connection);
  cwire_span message = cr_frame_span(broadcast->message);
  if (connection->websocket_state & WS_DEFLATE &&
      message.length > settings->compression_threshold) {
    unsigned index = (connection->websocket_state >> WS_BITS_SHIFT) - CWIRE_DEFLATE_MIN_BITS + 1;
    if (!broadcast->tried[index]) {
      broadcast->tried[index] = true;
      cr_buffer *shorter = cr_websocket_deflate(connection, &message, 1);
      if (shorter) {
        broadcast->encoded[index] = frames_of(cr_buffer_span(shorter), true, settings->max_frame);
        cr_buffer_give(&connection->loop->buffers, shorter);
      }
    }
    if (broadcast->encoded[index]) return broadcast->encoded[index];
  }
  if (!broadcast->encoded[PLAIN])
    broadcast->encoded[PLAIN] = frames_of(message, false, settings->max_frame);
  return broadcast->encoded[PLAIN];
}

cr_write cr_websocket_send_broadcast(cr_loop *loop, cr_id id, cr_broadcast *broadcast) {
  cr_connection *connection = cr_websocket_find_open(loop, id);
  if (!connection || connection->websocket_state & WS_CLIENT) return CR_WRITE_STALE;
  cr_frame *frame = encoding_for(broadcast, connection);
  if (!frame) {
    cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
    return CR_WRITE_OK;
  }
  cr_piece piece = cr_piece_frame(frame);
  cr_write answer = cr_connection_write_soon(connection, &piece, 1);
  return answer == CR_WRITE_STALE ? CR_WRITE_OK : answer;
}
