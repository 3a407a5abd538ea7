#include "fuzz.h"

/* The parser reports the same events however its input is cut, and what the writer writes reads
 * back as it was. */

#define ROOM (1u << 16)

typedef struct trace {
  uint8_t *bytes;
  size_t length;
  cwire_span data; /* of the event being read, in `bytes` */
} trace;

static void put(trace *trace, const void *bytes, size_t length) {
  FUZZ_EXPECT(length <= ROOM - trace->length);
  if (length > 0) memcpy(trace->bytes + trace->length, bytes, length);
  trace->length += length;
}

static void put_data(trace *trace, const cwire_sse_event *event) {
  if (trace->data.base == NULL) trace->data.base = trace->bytes + trace->length;
  if (event->newline) put(trace, "\n", 1);
  put(trace, event->data.base, event->data.length);
  trace->data.length = (size_t)(trace->bytes + trace->length - trace->data.base);
}

/* Writes the event and expects to read the same one. */
static void check_round_trip(const cwire_sse_event *event, cwire_span data) {
  if (memchr(event->type.base, 0, event->type.length) != NULL) return;
  for (size_t index = 0; index < data.length; index++) {
    if (data.base[index] == '\r') return; /* would read as a line feed */
  }
  static uint8_t out[ROOM * 8];
  cwire_sse_fields fields = {.id = event->id, .type = event->type, .retry = event->retry};
  cwire_writer writer = cwire_writer_make(out, sizeof out);
  if (!event->id_set) fields.id = cwire_span_make(NULL, 0);
  if (!event->has_data) data = cwire_span_make(NULL, 0);
  if (event->has_data && data.base == NULL) data = cwire_span_text("");
  cwire_sse_put_event(&writer, &fields, data);
  FUZZ_EXPECT(cwire_writer_ok(&writer));
  FUZZ_EXPECT(writer.length == cwire_sse_event_length(&fields, data));

  static uint8_t again[ROOM];
  trace copy = {.bytes = again};
  cwire_sse_parser parser;
  cwire_sse_init(&parser);
  cwire_span rest = cwire_writer_written(&writer);
  cwire_sse_event read;
  cwire_sse_step step;
  while ((step = cwire_sse_next(&parser, &rest, &read)) == CWIRE_SSE_DATA)
    put_data(&copy, &read);
  FUZZ_EXPECT(step == CWIRE_SSE_END && rest.length == 0);
  FUZZ_EXPECT(cwire_span_equal(read.type, event->type) && read.retry == event->retry);
  FUZZ_EXPECT(read.id_set == event->id_set);
  if (read.id_set) FUZZ_EXPECT(cwire_span_equal(read.id, event->id));
  FUZZ_EXPECT(read.has_data == event->has_data && read.data_is_empty == event->data_is_empty);
  FUZZ_EXPECT(cwire_span_equal(copy.data, data));
}

static void parse(cwire_span text, fuzz_random *random, trace *trace) {
  cwire_sse_parser parser;
  cwire_sse_init(&parser);
  for (size_t taken = 0; taken < text.length;) {
    size_t left = text.length - taken;
    size_t size = random == NULL ? left : 1 + fuzz_below(random, random->state % 2 == 0 ? 1 : left);
    cwire_span part = fuzz_copy(cwire_span_take(cwire_span_drop(text, taken), size));
    cwire_span rest = part;
    cwire_sse_event event;
    cwire_sse_step step;
    while ((step = cwire_sse_next(&parser, &rest, &event)) != CWIRE_SSE_MORE) {
      if (step == CWIRE_SSE_DATA) {
        put_data(trace, &event);
        continue;
      }
      if (step == CWIRE_SSE_COMMENT) {
        put(trace, "#", trace->data.base == NULL ? 1 : 0);
        continue;
      }
      FUZZ_EXPECT(step == CWIRE_SSE_END);
      FUZZ_EXPECT(!event.data_is_empty || trace->data.length == 0);
      if (random == NULL) check_round_trip(&event, trace->data);
      put(trace, event.type.base, event.type.length);
      put(trace, "|", 1);
      put(trace, event.id.base, event.id.length);
      put(trace, &event.retry, sizeof event.retry);
      uint8_t flags = (uint8_t)(event.id_set | event.too_long << 1 | event.has_data << 2 |
                                event.data_is_empty << 3);
      put(trace, &flags, 1);
      trace->data = cwire_span_make(NULL, 0);
    }
    FUZZ_EXPECT(rest.length == 0);
    taken += part.length;
    fuzz_free(part);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t whole[ROOM];
  static uint8_t pieces[ROOM];
  if (size > 1024) return 0;
  cwire_span text = cwire_span_make(data, size);
  fuzz_random random = fuzz_seed(text);
  trace first = {.bytes = whole};
  parse(text, NULL, &first);
  for (unsigned round = 0; round < 3; round++) {
    trace second = {.bytes = pieces};
    parse(text, &random, &second);
    FUZZ_EXPECT(cwire_span_equal(cwire_span_make(whole, first.length),
                                 cwire_span_make(pieces, second.length)));
  }
  return 0;
}
