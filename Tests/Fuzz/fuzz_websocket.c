#include "fuzz.h"

/* The reader tells the same however its input is cut, judges texts as the plain validator does, and
 * reads back what is written; offers are answered by what they allow. */

#define ROOM (1u << 13)

typedef struct trace {
  uint8_t bytes[ROOM];
  size_t length;
  uint8_t message[ROOM];
  size_t message_length;
  bool failed;
} trace;

static void put(trace *trace, const void *bytes, size_t length) {
  FUZZ_EXPECT(length <= ROOM - trace->length);
  if (length > 0) memcpy(trace->bytes + trace->length, bytes, length);
  trace->length += length;
}

static void put_number(trace *trace, uint32_t number) {
  put(trace, &number, sizeof number);
}

/* Writes the message in two masked frames with a ping between them and expects to read it back. */
static void check_round_trip(cwire_span data, cwire_ws_opcode opcode, fuzz_random *random) {
  static uint8_t out[ROOM + 4 * CWIRE_WS_HEAD_MAX];
  const uint8_t masks[3][4] = {{1, 2, 3, 4}, {(uint8_t)random->state, 0, 0xff, 7}, {0}};
  size_t first = data.length > 0 ? fuzz_below(random, data.length) : 0, length = 0;
  cwire_span parts[3] = {cwire_span_take(data, first), cwire_span_text("ping"),
                         cwire_span_drop(data, first)};
  cwire_ws_opcode opcodes[3] = {opcode, CWIRE_WS_PING, CWIRE_WS_CONTINUATION};
  for (unsigned index = 0; index < 3; index++) {
    length += cwire_ws_put_head(out + length, opcodes[index], index > 0, false, parts[index].length,
                                masks[index]);
    if (parts[index].length > 0) memcpy(out + length, parts[index].base, parts[index].length);
    cwire_ws_mask(out + length, parts[index].length, masks[index], 0);
    length += parts[index].length;
  }
  cwire_ws_reader reader = {0};
  cwire_ws_limits limits = {.max_message = data.length};
  cwire_span rest = cwire_span_make(out, length);
  cwire_ws_event event;
  size_t read = 0;
  bool pinged = false, ended = false;
  while (!ended) {
    cwire_ws_step step = cwire_ws_next(&reader, &limits, CWIRE_WS_CLIENT, &rest, &event);
    if (step == CWIRE_WS_CONTROL) {
      FUZZ_EXPECT(!pinged && cwire_span_equal(event.data, parts[1]));
      pinged = true;
      continue;
    }
    FUZZ_EXPECT(step == CWIRE_WS_DATA && event.opcode == opcode &&
                read + event.data.length <= data.length);
    FUZZ_EXPECT(cwire_span_equal(event.data,
                                 cwire_span_take(cwire_span_drop(data, read), event.data.length)));
    read += event.data.length;
    ended = event.last;
  }
  FUZZ_EXPECT(pinged && read == data.length && rest.length == 0 && cwire_ws_at_rest(&reader));
}

static void take(trace *trace, cwire_ws_step step, const cwire_ws_event *event,
                 const cwire_ws_limits *limits, fuzz_random *random) {
  if (step == CWIRE_WS_FAILED) {
    FUZZ_EXPECT(event->code == CWIRE_WS_PROTOCOL_ERROR || event->code == CWIRE_WS_INVALID_DATA ||
                event->code == CWIRE_WS_TOO_BIG);
    trace->failed = true;
  } else if (step == CWIRE_WS_CONTROL) {
    FUZZ_EXPECT(event->data.length <= CWIRE_WS_CONTROL_MAX);
    put(trace, event->data.base, event->data.length);
  } else {
    FUZZ_EXPECT(step == CWIRE_WS_DATA && event->first == (trace->message_length == 0));
    FUZZ_EXPECT(event->data.length <= ROOM - trace->message_length);
    if (event->data.length > 0)
      memcpy(trace->message + trace->message_length, event->data.base, event->data.length);
    trace->message_length += event->data.length;
    if (!event->last) return;
    cwire_span message = cwire_span_make(trace->message, trace->message_length);
    if (!event->compressed) {
      FUZZ_EXPECT(message.length <= limits->max_message);
      FUZZ_EXPECT(event->opcode == CWIRE_WS_BINARY || cwire_utf8_valid(message));
      if (random != NULL) check_round_trip(message, (cwire_ws_opcode)event->opcode, random);
    }
    put(trace, message.base, message.length);
    trace->message_length = 0;
  }
  put_number(trace, (uint32_t)step);
  put_number(trace, event->opcode | (uint32_t)event->code << 8 | (uint32_t)event->compressed << 24);
}

/* Feeds the reader in pieces of up to `step` bytes, whole if 0. What it leaves comes again. */
static void read_frames(cwire_span text, const cwire_ws_limits *limits, cwire_ws_peer peer,
                        size_t step, fuzz_random *random, trace *trace) {
  cwire_ws_reader reader = {0};
  cwire_span kept = cwire_span_make(NULL, 0);
  while (text.length > 0 && !trace->failed) {
    size_t size = step == 0 ? text.length : 1 + fuzz_below(random, step);
    cwire_span fresh = cwire_span_take(text, size);
    text = cwire_span_drop(text, fresh.length);
    uint8_t *input = malloc(kept.length + fresh.length);
    if (kept.length > 0) memcpy(input, kept.base, kept.length);
    memcpy(input + kept.length, fresh.base, fresh.length);
    cwire_span whole = cwire_span_make(input, kept.length + fresh.length), rest = whole;
    fuzz_free(kept);
    cwire_ws_event event;
    cwire_ws_step next;
    while (!trace->failed &&
           (next = cwire_ws_next(&reader, limits, peer, &rest, &event)) != CWIRE_WS_MORE)
      take(trace, next, &event, limits, step == 0 ? random : NULL);
    FUZZ_EXPECT(trace->failed || rest.length <= CWIRE_WS_HEAD_MAX + CWIRE_WS_CONTROL_MAX);
    kept = fuzz_copy(rest);
    fuzz_free(whole);
  }
  put_number(trace, trace->failed ? 0 : (uint32_t)cwire_ws_at_rest(&reader) + 1);
  fuzz_free(kept);
}

/* What is answered to an offer stays within what one of its elements allows. */
static void check_offer(cwire_span value) {
  static cwire_http1_head head;
  head = (cwire_http1_head){0};
  head.present = UINT64_C(1) << CWIRE_FIELD_SEC_WEBSOCKET_EXTENSIONS;
  head.known[CWIRE_FIELD_SEC_WEBSOCKET_EXTENSIONS] = value;
  cwire_ws_deflate agreed = cwire_ws_accept_offer(&head), read;
  if (agreed.on) {
    FUZZ_EXPECT(agreed.server_bits >= 9 && agreed.server_bits <= 15);
    FUZZ_EXPECT(agreed.client_bits >= 8 && agreed.client_bits <= 15);
    uint8_t out[CWIRE_WS_AGREED_MAX];
    cwire_writer writer = cwire_writer_make(out, sizeof out);
    cwire_ws_put_agreed(&writer, &agreed);
    FUZZ_EXPECT(cwire_writer_ok(&writer));
    head.known[CWIRE_FIELD_SEC_WEBSOCKET_EXTENSIONS] = cwire_writer_written(&writer);
    FUZZ_EXPECT(cwire_ws_read_agreed(&head, &read));
    FUZZ_EXPECT(read.on && read.server_bits == agreed.server_bits &&
                read.client_bits == agreed.client_bits);
    head.known[CWIRE_FIELD_SEC_WEBSOCKET_EXTENSIONS] = value;
  }
  (void)cwire_ws_read_agreed(&head, &read);
  uint8_t accept[CWIRE_WS_ACCEPT_LENGTH];
  (void)cwire_ws_accept(value, accept);
}

/* The last byte chooses peer, extension and limits, so that the seeds stay readable. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static trace whole, pieces;
  if (size < 1 || size > 1024) return 0;
  uint8_t choice = data[size - 1];
  cwire_span text = cwire_span_make(data, size - 1);
  if (choice & 8) {
    cwire_span copy = fuzz_copy(text);
    check_offer(copy);
    fuzz_free(copy);
    return 0;
  }
  fuzz_random random = fuzz_seed(text);
  cwire_ws_peer peer = choice & 1 ? CWIRE_WS_SERVER : CWIRE_WS_CLIENT;
  cwire_ws_limits limits = {.max_message = choice & 2 ? 16 : 1024,
                            .max_frame = choice & 16 ? 64 : 0,
                            .deflate = (choice & 4) != 0};
  whole.length = whole.message_length = 0;
  whole.failed = false;
  read_frames(text, &limits, peer, 0, &random, &whole);
  const size_t steps[3] = {1, 7, 300};
  for (unsigned round = 0; round < 3; round++) {
    pieces.length = pieces.message_length = 0;
    pieces.failed = false;
    read_frames(text, &limits, peer, steps[round], &random, &pieces);
    FUZZ_EXPECT(cwire_span_equal(cwire_span_make(whole.bytes, whole.length),
                                 cwire_span_make(pieces.bytes, pieces.length)));
  }
  return 0;
}
