#include "cwire/websocket.h"

#include "websocket_mask.h"

enum { FIN = 0x80, RSV1 = 0x40, RSV2_AND_3 = 0x30, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };

static inline bool is_control(unsigned opcode) {
  return opcode >= CWIRE_WS_CLOSE;
}

static bool first_byte_is_valid(uint8_t byte) {
  unsigned opcode = byte & OPCODE;
  if ((byte & RSV2_AND_3) != 0) return false;
  if (opcode > CWIRE_WS_PONG || (opcode > CWIRE_WS_BINARY && opcode < CWIRE_WS_CLOSE)) return false;
  if (is_control(opcode)) return (byte & (FIN | RSV1)) == FIN;
  /* RFC 7692 section 6: only a message's first frame says that it is compressed. */
  return (byte & RSV1) == 0 || opcode != CWIRE_WS_CONTINUATION;
}

ptrdiff_t cwire_ws_parse_head(cwire_ws_head *head, cwire_span input, cwire_ws_peer peer) {
  const uint8_t *bytes = input.base;
  if (input.length == 0) return 0;
  if (!first_byte_is_valid(bytes[0])) return -CWIRE_WS_PROTOCOL_ERROR;
  if (input.length == 1) return 0;
  bool masked = (bytes[1] & MASKED) != 0;
  if (masked != (peer == CWIRE_WS_CLIENT)) return -CWIRE_WS_PROTOCOL_ERROR;
  uint64_t length = bytes[1] & LENGTH;
  size_t size = 2;
  if (length > CWIRE_WS_CONTROL_MAX) {
    if (is_control(bytes[0] & OPCODE)) return -CWIRE_WS_PROTOCOL_ERROR;
    size_t wide = length == 126 ? 2 : 8;
    if (input.length < size + wide) return 0;
    length = 0;
    for (; size < 2 + wide; size++)
      length = length << 8 | bytes[size];
    if (length <= (wide == 2 ? CWIRE_WS_CONTROL_MAX : UINT16_MAX) || length > INT64_MAX)
      return -CWIRE_WS_PROTOCOL_ERROR;
  }
  if (masked) {
    if (input.length < size + 4) return 0;
    memcpy(head->mask, bytes + size, 4);
    size += 4;
  } else {
    memset(head->mask, 0, 4);
  }
  head->length = length;
  head->opcode = bytes[0] & OPCODE;
  head->fin = (bytes[0] & FIN) != 0;
  head->compressed = (bytes[0] & RSV1) != 0;
  head->masked = masked;
  return (ptrdiff_t)size;
}

static cwire_ws_step fail(cwire_ws_event *event, unsigned code) {
  *event = (cwire_ws_event){.code = (uint16_t)code};
  return CWIRE_WS_FAILED;
}

/* The bytes given are the reader's to scribble on, though spans can't say so. */
static uint8_t *writable(cwire_span bytes) {
  return (uint8_t *)(uintptr_t)bytes.base;
}

/* Whether a code may travel in a close frame (RFC 6455 section 7.4). */
static bool may_travel(unsigned code) {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

static cwire_ws_step take_close(cwire_ws_event *event) {
  if (event->data.length == 0) {
    event->code = CWIRE_WS_NO_STATUS;
    return CWIRE_WS_CONTROL;
  }
  if (event->data.length == 1) return fail(event, CWIRE_WS_PROTOCOL_ERROR);
  unsigned code = (unsigned)event->data.base[0] << 8 | event->data.base[1];
  if (!may_travel(code)) return fail(event, CWIRE_WS_PROTOCOL_ERROR);
  event->data = cwire_span_drop(event->data, 2);
  if (!cwire_utf8_valid(event->data)) return fail(event, CWIRE_WS_INVALID_DATA);
  event->code = (uint16_t)code;
  return CWIRE_WS_CONTROL;
}

/* Control frames are taken whole, so that they leave no state between the fragments around them. */
static cwire_ws_step take_control(const cwire_ws_head *head, size_t size, cwire_span *input,
                                  cwire_ws_event *event) {
  size_t length = (size_t)head->length;
  if (input->length < size + length) return CWIRE_WS_MORE;
  cwire_span data = cwire_span_take(cwire_span_drop(*input, size), length);
  *input = cwire_span_drop(*input, size + length);
  if (head->masked) cwire_ws_mask(writable(data), length, head->mask, 0);
  *event = (cwire_ws_event){.data = data, .opcode = head->opcode};
  return head->opcode == CWIRE_WS_CLOSE ? take_close(event) : CWIRE_WS_CONTROL;
}

/* What a message may measure on its way: deflate makes data that resists it a little longer. */
static uint64_t travelling_limit(const cwire_ws_limits *limits, bool compressed) {
  if (!compressed) return limits->max_message;
  uint64_t limit;
  bool over = __builtin_add_overflow(limits->max_message, limits->max_message / 8 + 64, &limit);
  return over ? UINT64_MAX : limit;
}

/* 0, or the code to fail with. */
static unsigned begin_frame(cwire_ws_reader *reader, const cwire_ws_limits *limits,
                            const cwire_ws_head *head) {
  if (head->opcode == CWIRE_WS_CONTINUATION) {
    if (reader->opcode == 0) return CWIRE_WS_PROTOCOL_ERROR;
  } else {
    if (reader->opcode != 0) return CWIRE_WS_PROTOCOL_ERROR;
    if (head->compressed && !limits->deflate) return CWIRE_WS_PROTOCOL_ERROR;
    reader->opcode = head->opcode;
    reader->compressed = head->compressed;
  }
  /* Judged by what the frame announces, before any of it is stored. */
  uint64_t limit = travelling_limit(limits, reader->compressed);
  if (limits->max_frame > 0 && head->length > limits->max_frame) return CWIRE_WS_TOO_BIG;
  if (reader->message > limit || head->length > limit - reader->message) return CWIRE_WS_TOO_BIG;
  reader->in_frame = true;
  reader->fin = head->fin;
  reader->left = head->length;
  reader->mask = cwire_ws_mask_word(head->mask);
  return 0;
}

/* Takes `data`, the next bytes of the frame being read: true if they may stand there. */
static bool take_data(cwire_ws_reader *reader, cwire_ws_peer peer, cwire_span data) {
  bool text = reader->opcode == CWIRE_WS_TEXT && !reader->compressed;
  bool ascii = false;
  if (peer == CWIRE_WS_CLIENT) {
    ascii = cwire_ws_unmask(writable(data), data.length, reader->mask);
    reader->mask = cwire_ws_mask_after(reader->mask, data.length);
  }
  if (!text || (ascii && cwire_utf8_at_rest(&reader->utf8))) return true;
  return cwire_utf8_feed(&reader->utf8, data);
}

cwire_ws_step cwire_ws_next(cwire_ws_reader *reader, const cwire_ws_limits *limits,
                            cwire_ws_peer peer, cwire_span *input, cwire_ws_event *event) {
  for (;;) {
    if (!reader->in_frame) {
      cwire_ws_head head;
      ptrdiff_t size = cwire_ws_parse_head(&head, *input, peer);
      if (size == 0) return CWIRE_WS_MORE;
      if (size < 0) return fail(event, (unsigned)-size);
      if (is_control(head.opcode)) return take_control(&head, (size_t)size, input, event);
      unsigned code = begin_frame(reader, limits, &head);
      if (code != 0) return fail(event, code);
      *input = cwire_span_drop(*input, (size_t)size);
    }
    if (reader->left > 0 && input->length == 0) return CWIRE_WS_MORE;
    cwire_span data = *input;
    if (data.length > reader->left) data.length = (size_t)reader->left;
    if (data.length > 0 && !take_data(reader, peer, data))
      return fail(event, CWIRE_WS_INVALID_DATA);
    *input = cwire_span_drop(*input, data.length);
    *event = (cwire_ws_event){.data = data,
                              .opcode = reader->opcode,
                              .first = reader->message == 0,
                              .compressed = reader->compressed};
    reader->left -= data.length;
    reader->message += data.length;
    if (reader->left > 0) return CWIRE_WS_DATA;
    reader->in_frame = false;
    if (reader->fin) {
      if (!cwire_utf8_at_rest(&reader->utf8)) return fail(event, CWIRE_WS_INVALID_DATA);
      event->last = true;
      *reader = (cwire_ws_reader){0};
      return CWIRE_WS_DATA;
    }
    if (data.length > 0) return CWIRE_WS_DATA;
  }
}

size_t cwire_ws_put_head(uint8_t out[CWIRE_WS_HEAD_MAX], cwire_ws_opcode opcode, bool fin,
                         bool compressed, uint64_t length, const uint8_t *mask) {
  size_t size = 2;
  out[0] = (uint8_t)((fin ? FIN : 0) | (compressed ? RSV1 : 0) | (unsigned)opcode);
  if (length <= CWIRE_WS_CONTROL_MAX) {
    out[1] = (uint8_t)length;
  } else {
    unsigned wide = length <= UINT16_MAX ? 2 : 8;
    out[1] = wide == 2 ? 126 : 127;
    for (unsigned index = wide; index-- > 0;)
      out[size++] = (uint8_t)(length >> (index * 8));
  }
  if (mask != NULL) {
    out[1] |= MASKED;
    memcpy(out + size, mask, 4);
    size += 4;
  }
  return size;
}
