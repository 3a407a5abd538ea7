#include "websocket/send.h"

#include <string.h>

#include "connection/write_queue.h"

/* Frames that fit are put together on the stack, as one piece is cheaper for the kernel than two.
 */
enum { SMALL = 2048, PIECES = CR_GATHER };

/* A message on its way out: what of its bytes are still to be framed. */
typedef struct outgoing {
  cr_connection *connection;
  const cwire_span *pieces;
  size_t skip; /* bytes of the first piece that are done */
  uint64_t left;
  cwire_ws_opcode opcode;
  bool compressed;
} outgoing;

static bool is_client(const cr_connection *connection) {
  return connection->websocket_state & WS_CLIENT;
}

/* What is sent while more of the peer's messages are at hand waits for the answer to the last. */
static cr_write put(cr_connection *connection, const cr_piece *pieces, size_t count) {
  return connection->loop->gathering == connection
             ? cr_connection_write_soon(connection, pieces, count)
             : cr_connection_write(connection, pieces, count);
}

static cwire_span next_part(outgoing *message, uint64_t most) {
  while (message->skip == message->pieces->length) {
    message->pieces++;
    message->skip = 0;
  }
  cwire_span part = cwire_span_take(cwire_span_drop(*message->pieces, message->skip), most);
  message->skip += part.length;
  message->left -= part.length;
  return part;
}

/* `length` bytes of the message, masked, to `out`, `offset` bytes behind the frame's head. */
static void copy_part(outgoing *message, uint8_t *out, uint64_t length, const uint8_t *mask,
                      uint64_t offset) {
  for (uint64_t done = 0; done < length;) {
    cwire_span part = next_part(message, length - done);
    memcpy(out + done, part.base, part.length);
    done += part.length;
  }
  if (mask) cwire_ws_mask(out, length, mask, offset);
}

static cr_write put_small_frame(outgoing *message, cwire_span head, const uint8_t *mask,
                                uint64_t length) {
  uint8_t bytes[SMALL + CWIRE_WS_HEAD_MAX];
  memcpy(bytes, head.base, head.length);
  copy_part(message, bytes + head.length, length, mask, 0);
  cr_piece piece = cr_piece_span(cwire_span_make(bytes, head.length + length));
  return put(message->connection, &piece, 1);
}

/* Masking needs a copy: in pieces of a pooled buffer. */
static cr_write put_masked_frame(outgoing *message, cwire_span head, const uint8_t *mask,
                                 uint64_t length) {
  enum { PART = 64 * 1024 };
  cr_connection *connection = message->connection;
  cr_buffer_pool *pool = &connection->loop->buffers;
  cr_buffer *buffer = cr_buffer_take(pool, length < PART ? length : PART);
  if (!buffer) {
    cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
    return CR_WRITE_OK;
  }
  cr_write answer = CR_WRITE_OK;
  for (uint64_t done = 0; done < length;) {
    uint64_t size = length - done < buffer->capacity ? length - done : buffer->capacity;
    copy_part(message, buffer->bytes, size, mask, done);
    cr_piece pieces[] = {cr_piece_span(head), cr_piece_span(cwire_span_make(buffer->bytes, size))};
    answer = done == 0 ? put(connection, pieces, 2) : put(connection, pieces + 1, 1);
    done += size;
  }
  cr_buffer_give(pool, buffer);
  return answer;
}

static cr_write put_plain_frame(outgoing *message, cwire_span head, uint64_t length) {
  cr_piece pieces[PIECES];
  size_t count = 0;
  pieces[count++] = cr_piece_span(head);
  while (length > 0) {
    if (count == PIECES) {
      put(message->connection, pieces, count);
      count = 0;
    }
    cwire_span part = next_part(message, length);
    length -= part.length;
    pieces[count++] = cr_piece_span(part);
  }
  return put(message->connection, pieces, count);
}

static cr_write put_frames(outgoing *message) {
  cr_connection *connection = message->connection;
  uint64_t most = cr_websocket_settings_of(connection)->max_frame;
  if (most == 0) most = UINT64_MAX;
  cr_write answer;
  do {
    uint64_t length = message->left < most ? message->left : most;
    bool last = length == message->left;
    uint8_t mask[4], bytes[CWIRE_WS_HEAD_MAX];
    const uint8_t *key = NULL;
    if (is_client(connection)) {
      cr_loop_entropy(connection->loop, mask, sizeof mask);
      key = mask;
    }
    size_t size = cwire_ws_put_head(bytes, message->opcode, last, message->compressed, length, key);
    cwire_span head = cwire_span_make(bytes, size);
    if (length <= SMALL)
      answer = put_small_frame(message, head, key, length);
    else
      answer = key ? put_masked_frame(message, head, key, length)
                   : put_plain_frame(message, head, length);
    if (cr_is_closing(connection)) return CR_WRITE_OK;
    message->opcode = CWIRE_WS_CONTINUATION;
    message->compressed = false;
  } while (message->left > 0);
  return answer == CR_WRITE_STALE ? CR_WRITE_OK : answer;
}

void cr_websocket_put_control(cr_connection *connection, cwire_ws_opcode opcode,
                              cwire_span payload) {
  uint8_t bytes[CWIRE_WS_HEAD_MAX + CWIRE_WS_CONTROL_MAX], mask[4];
  const uint8_t *key = NULL;
  if (is_client(connection)) {
    cr_loop_entropy(connection->loop, mask, sizeof mask);
    key = mask;
  }
  size_t size = cwire_ws_put_head(bytes, opcode, true, false, payload.length, key);
  if (payload.length) memcpy(bytes + size, payload.base, payload.length);
  if (key) cwire_ws_mask(bytes + size, payload.length, mask, 0);
  cr_piece piece = cr_piece_span(cwire_span_make(bytes, size + payload.length));
  put(connection, &piece, 1);
}

cwire_deflate *cr_loop_deflate(cr_loop *loop) {
  if (!loop->deflate) loop->deflate = cwire_deflate_make();
  return loop->deflate;
}

void cr_loop_deflate_free(cr_loop *loop) {
  cwire_deflate_free(loop->deflate);
}

cr_buffer *cr_websocket_deflate(cr_connection *connection, const cwire_span *pieces, size_t count) {
  cr_loop *loop = connection->loop;
  cwire_deflate *state = cr_loop_deflate(loop);
  unsigned bits = connection->websocket_state >> WS_BITS_SHIFT;
  if (!state || cwire_deflate_begin(state, bits) != CWIRE_DEFLATE_OK) return NULL;
  size_t length = 0;
  for (size_t index = 0; index < count; index++)
    length += pieces[index].length;
  cr_buffer *buffer = cr_buffer_take(&loop->buffers, length);
  if (!buffer) return NULL;
  for (size_t index = 0; index < count; index++) {
    cwire_span piece = pieces[index];
    size_t written = 0, room = length - buffer->end;
    cwire_deflate_status status = CWIRE_DEFLATE_FULL;
    if (room >= CWIRE_DEFLATE_MIN_ROOM) {
      status = cwire_deflate_next(state, &piece, index + 1 == count, buffer->bytes + buffer->end,
                                  room, &written);
    }
    buffer->end += written;
    if (status != CWIRE_DEFLATE_OK) {
      cr_buffer_give(&loop->buffers, buffer);
      return NULL;
    }
  }
  return buffer;
}

cr_connection *cr_websocket_find_open(cr_loop *loop, cr_id id) {
  cr_connection *connection = cr_connection_find(loop, id);
  if (!connection || !cr_is_websocket(connection)) return NULL;
  return connection->websocket_state & WS_CLOSE_SENT ? NULL : connection;
}

cr_write cr_websocket_send(cr_loop *loop, cr_id id, cr_websocket_kind kind,
                           const cwire_span *pieces, size_t count) {
  cr_connection *connection = cr_websocket_find_open(loop, id);
  if (!connection) return CR_WRITE_STALE;
  outgoing message = {
      .connection = connection,
      .pieces = pieces,
      .opcode = kind == CR_WEBSOCKET_TEXT ? CWIRE_WS_TEXT : CWIRE_WS_BINARY,
  };
  for (size_t index = 0; index < count; index++)
    message.left += pieces[index].length;
  bool worth = connection->websocket_state & WS_DEFLATE &&
               message.left > cr_websocket_settings_of(connection)->compression_threshold;
  cr_buffer *shorter = worth ? cr_websocket_deflate(connection, pieces, count) : NULL;
  if (!shorter) return put_frames(&message);
  cwire_span bytes = cr_buffer_span(shorter);
  message.pieces = &bytes;
  message.left = bytes.length;
  message.compressed = true;
  cr_write answer = put_frames(&message);
  cr_buffer_give(&loop->buffers, shorter);
  return answer;
}
