// links: CWire CReactor
#include <CReactor.h>
#include <CWire.h>
#include <stdlib.h>

#include "../../CSupport/CReactor/loop_private.h"

/* A whole server connection over the in-memory transport: bytes in any cut, any fault of the
 * transport, answers at once, later, streamed or broken off, and WebSockets that say back what they
 * are told. What requests and messages are seen and, where the transport does not lose bytes, what
 * is answered must not depend on the cut; and nothing may be left behind. */

static void require(bool condition) {
  if (!condition) __builtin_trap();
}

typedef struct random_source {
  uint64_t state;
} random_source;

static uint32_t next_random(random_source *random) {
  random->state += 0x9e3779b97f4a7c15ull;
  uint64_t mixed = (random->state ^ (random->state >> 30)) * 0xbf58476d1ce4e5b9ull;
  return (uint32_t)((mixed ^ (mixed >> 27)) >> 16);
}

typedef struct trace {
  uint64_t requests, request_hash;
  uint8_t *output;
  size_t length, capacity;
  bool ended;
} trace;

typedef struct run {
  cr_loop *loop;
  cr_frame *frame;
  random_source random;
  bool whims; /* answers in all ways, not just at once */
  cr_websocket_settings sockets;
  cr_id waiting[16];
  unsigned waiting_count;
  trace trace;
} run;

static void mix(trace *trace, cwire_span bytes) {
  uint64_t hash = trace->request_hash ^ bytes.length;
  for (size_t i = 0; i < bytes.length; i++)
    hash = (hash ^ bytes.base[i]) * 0x100000001b3ull;
  trace->request_hash = hash;
}

static void answer(run *run, cr_id id, uint32_t how) {
  cwire_span body[2] = {cwire_span_text("{\"ok\":"), cwire_span_text("true}")};
  cr_reply reply = {.status = how % 7 == 6 ? 204 : 200,
                    .close = how % 5 == 4,
                    .content_type = cwire_span_text("application/json"),
                    .headers = how % 3 ? cwire_span_text("X-A: b\r\n") : cwire_span_make("", 0),
                    .body = body,
                    .body_count = 2};
  switch (run->whims ? (how >> 8) % 6 : 0) {
  case 0:
    cr_http_reply(run->loop, id, &reply);
    break;
  case 1:
    cr_abort(run->loop, id);
    break;
  case 2:
    cr_close(run->loop, id);
    break;
  default:
    cr_http_stream_begin(run->loop, id, &reply);
    cr_set_tag(run->loop, id, 7);
    if (how & 1) cr_http_stream_heartbeat(run->loop, id, 20, run->frame);
    for (uint32_t i = 0; i < (how >> 4) % 5; i++)
      cr_http_stream_write_frame(run->loop, id, cwire_span_text("id: 1\n"), run->frame,
                                 (cr_gathering)(id & 1));
    cr_http_stream_write(run->loop, id, body, 2, (cr_gathering)(id & 1));
    if (how & 2)
      cr_http_stream_end(run->loop, id);
    else if (how & 8)
      cr_close(run->loop, id);
  }
}

static void request(void *context, cr_id id, const cwire_http1_head *head, cwire_span body) {
  run *run = context;
  run->trace.requests++;
  mix(&run->trace, head->method_text);
  mix(&run->trace, head->target);
  mix(&run->trace, body);
  uint32_t how = next_random(&run->random);
  if (head->upgrade) {
    cwire_span none = cwire_span_make("", 0);
    cr_websocket_accept(run->loop, id, head, &run->sockets, cwire_span_text("mcp"), none);
  } else if (run->whims && how & 0x10000 && run->waiting_count < 16) {
    run->waiting[run->waiting_count++] = id;
  } else {
    answer(run, id, how);
  }
}

static void message(void *context, cr_id id, uint64_t tag, cwire_span text, bool binary) {
  run *run = context;
  (void)tag;
  run->trace.requests++;
  mix(&run->trace, text);
  require(binary || cwire_utf8_valid(text));
  require(text.length <= run->sockets.max_message);
  uint32_t how = run->whims ? next_random(&run->random) : 0;
  if (how % 16 == 15) {
    cr_websocket_close(run->loop, id, CWIRE_WS_GOING_AWAY, cwire_span_text("enough"));
  } else if (how % 16 == 14) {
    cr_abort(run->loop, id);
  } else if (how % 16 == 13 && !binary) {
    cr_broadcast *broadcast = cr_broadcast_make(text);
    cr_websocket_send_broadcast(run->loop, id, broadcast);
    cr_broadcast_free(broadcast);
  } else {
    cr_websocket_send(run->loop, id, binary ? CR_WEBSOCKET_BINARY : CR_WEBSOCKET_TEXT, &text, 1);
  }
}

static void peer_ended(void *context, cr_id id, uint64_t tag) {
  run *run = context;
  if (tag == 7) cr_close(run->loop, id);
}

static void answer_waiting(run *run) {
  while (run->waiting_count > 0) {
    answer(run, run->waiting[--run->waiting_count], next_random(&run->random));
  }
}

static void take_output(trace *trace, cr_memory_peer *peer) {
  for (;;) {
    if (trace->capacity - trace->length < 4096) {
      trace->capacity = 2 * trace->capacity + 8192;
      trace->output = realloc(trace->output, trace->capacity);
    }
    size_t count = cr_memory_peer_take(peer, trace->output + trace->length, 4096);
    if (count == 0) break;
    trace->length += count;
  }
  trace->ended = cr_memory_peer_ended(peer);
}

/* What may differ from run to run: the clock ticks, and 100 (Continue) is only for a body that is
 * not there yet. */
static void normalize(trace *trace) {
  static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
  size_t skip = sizeof interim - 1;
  for (size_t i = 0; i + skip <= trace->length;) {
    if (memcmp(trace->output + i, interim, skip) != 0) {
      i++;
      continue;
    }
    trace->length -= skip;
    memmove(trace->output + i, trace->output + i + skip, trace->length - i);
  }
  for (size_t i = 0; i + 35 <= trace->length; i++) {
    if (memcmp(trace->output + i, "Date: ", 6) == 0) memset(trace->output + i + 6, '*', 29);
  }
}

static void settle(run *run, cr_memory_peer *peer, int turns) {
  while (turns-- > 0 && cr_loop_step(run->loop))
    take_output(&run->trace, peer);
  take_output(&run->trace, peer);
}

static trace serve(cwire_span input, const cr_http_limits *limits,
                   const cr_websocket_settings *sockets, const cr_fault_plan *faults, uint32_t step,
                   bool whims, uint64_t seed) {
  run run = {.whims = whims, .random = {seed}};
  cr_handlers handlers = {
      .request = request, .peer_ended = peer_ended, .websocket_message = message};
  run.sockets = *sockets;
  cr_loop_options options = {.worker = 3, .max_connections = 4, .manual_clock = true};
  require(!cr_failed(cr_loop_create(&run.loop, &options, &handlers, &run)));
  cwire_span beat = cwire_span_text(": beat\n\n");
  run.frame = cr_frame_make(&beat, 1);
  cr_listener *listener = cr_memory_listen(run.loop, 1, limits);
  cr_memory_peer *peer = cr_memory_accept(run.loop, listener, faults);
  random_source cuts = {seed ^ step};
  while (input.length > 0) {
    size_t length = step ? 1 + next_random(&cuts) % step : input.length;
    if (length > input.length) length = input.length;
    cr_memory_peer_send(peer, cwire_span_make(input.base, length));
    input = cwire_span_make(input.base + length, input.length - length);
    cr_loop_step(run.loop);
    if (whims && next_random(&cuts) % 4 == 0) {
      answer_waiting(&run);
      cr_loop_advance(run.loop, next_random(&cuts) % 50);
      take_output(&run.trace, peer);
    }
  }
  settle(&run, peer, 10000);
  answer_waiting(&run);
  settle(&run, peer, 10000);
  cr_memory_peer_end(peer);
  settle(&run, peer, 10000);
  answer_waiting(&run);
  for (int i = 0; i < 20; i++) {
    cr_loop_advance(run.loop, 10 * 1000);
    settle(&run, peer, 1000);
  }
  /* Streams that policy never ended are its own affair; everything else must be gone. */
  if (!whims) require(cr_loop_count(run.loop).downstream == 0);
  if (cr_loop_count(run.loop).downstream == 0) {
    require(run.loop->slab.used == 0 && run.loop->buffers.bytes_out == 0);
  }
  require(cr_loop_count(run.loop).broken == 0);
  cr_listener_stop(listener);
  cr_memory_peer_free(peer);
  cr_loop_destroy(run.loop);
  cr_frame_release(run.frame);
  normalize(&run.trace);
  return run.trace;
}

/* The last four bytes choose cut, faults, limits and whims, so that the seeds stay readable. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 4) return 0;
  const uint8_t *choice = data + size - 4;
  cwire_span input = cwire_span_make(data, size - 4);
  cr_http_limits limits = cr_http_limits_default();
  limits.max_body = choice[2] & 1 ? 64 : 4096;
  if (choice[2] & 2) limits.max_head = 128;
  limits.per_address = 2;
  cr_websocket_settings sockets = cr_websocket_settings_default();
  sockets.max_message = choice[2] & 4 ? 64 : 8192;
  sockets.max_frame = choice[2] & 8 ? 16 : 4096;
  sockets.strict_frame_size = (choice[2] & 16) != 0;
  sockets.compression = (choice[2] & 32) == 0;
  sockets.compression_threshold = 32;
  uint32_t step = 1 + choice[0];
  cr_fault_plan none = {0},
                faults = {.max_write = choice[1] & 15, .again_every = (choice[1] >> 4) & 7};

  trace whole = serve(input, &limits, &sockets, &none, 0, false, 1);
  trace cut = serve(input, &limits, &sockets, &faults, step, false, 1);
  require(whole.requests == cut.requests && whole.request_hash == cut.request_hash);
  require(whole.length == cut.length && memcmp(whole.output, cut.output, cut.length) == 0);
  free(whole.output);
  free(cut.output);

  if (choice[1] & 128) faults.reset_after = 1 + choice[3];
  trace whimsical = serve(input, &limits, &sockets, &faults, step, true, choice[3]);
  free(whimsical.output);
  return 0;
}
