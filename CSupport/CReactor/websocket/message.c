#include "websocket/message.h"

#include <cwire/utf8.h>

#include "websocket/close.h"
#include "websocket/send.h"

static void tell(cr_connection *connection, cwire_span message, bool binary) {
  cr_loop *loop = connection->loop;
  cr_loop_event(loop);
  loop->handlers.websocket_message(loop->context, cr_connection_id(connection), connection->tag,
                                   message, binary);
}

/* The close code for what inflating came to. */
static unsigned close_code(cwire_deflate_status status) {
  switch (status) {
  case CWIRE_DEFLATE_TOO_BIG:
    return CWIRE_WS_TOO_BIG;
  case CWIRE_DEFLATE_INVALID:
    return CWIRE_WS_INVALID_DATA;
  default:
    return CWIRE_WS_INTERNAL;
  }
}

/* The whole message inflated, at most `limit` bytes; `*out` is the caller's. */
static cwire_deflate_status inflate(cr_loop *loop, cwire_span message, uint64_t limit,
                                    cr_buffer **out) {
  enum { FIRST = 16 * 1024 };
  cwire_deflate *state = cr_loop_deflate(loop);
  *out = state ? cr_buffer_take(&loop->buffers, FIRST) : NULL;
  if (!*out) return CWIRE_DEFLATE_MEMORY;
  cwire_deflate_status begun = cwire_inflate_begin(state, limit);
  if (begun != CWIRE_DEFLATE_OK) return begun;
  for (;;) {
    cr_buffer *buffer = *out;
    size_t written = 0;
    cwire_deflate_status status =
        cwire_inflate_next(state, &message, true, buffer->bytes + buffer->end,
                           buffer->capacity - buffer->end, &written);
    buffer->end += written;
    if (status != CWIRE_DEFLATE_FULL) return status;
    if (buffer->end == buffer->capacity && !cr_buffer_grow(&loop->buffers, out))
      return CWIRE_DEFLATE_MEMORY;
  }
}

void cr_websocket_deliver(cr_connection *connection, cwire_span message, bool binary,
                          bool compressed) {
  if (!compressed) {
    tell(connection, message, binary);
    return;
  }
  cr_loop *loop = connection->loop;
  uint64_t limit = cr_websocket_settings_of(connection)->max_message;
  cr_buffer *inflated;
  cwire_deflate_status status = inflate(loop, message, limit, &inflated);
  if (status != CWIRE_DEFLATE_OK) {
    cr_websocket_fail(connection, close_code(status));
  } else {
    cwire_span text = cr_buffer_span(inflated);
    if (binary || cwire_utf8_valid(text))
      tell(connection, text, binary);
    else
      cr_websocket_fail(connection, CWIRE_WS_INVALID_DATA);
  }
  cr_buffer_give(&loop->buffers, inflated);
}
