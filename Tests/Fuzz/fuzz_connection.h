#ifndef SLUICE_FUZZ_CONNECTION_H
#define SLUICE_FUZZ_CONNECTION_H

#include <CReactor.h>
#include <CWire.h>
#include <stdlib.h>

#include "loop/loop.h"

/* What the targets that serve a whole connection share: a policy that answers as a seed says, and
 * what is kept of a run to hold it against another. */

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
  uint64_t sent; /* what the gateway believes to have sent in the end */
  bool expects;  /* there was an Expect: 100-continue */
  bool ended;
} trace;

typedef struct run {
  cr_loop *loop;
  cr_frame *frame;
  random_source random;
  bool whims;     /* answers in all ways, not just at once */
  bool patient;   /* whims, but none that throws away what was answered */
  bool told_end;  /* policy knows that no more requests come */
  bool pauses;    /* reading is paused now and then: `paused` */
  cr_id paused;   /* 0: none */
  size_t bulk;    /* bytes within the first answers, beside their few */
  unsigned bulky; /* answers that still have it */
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

/* Bytes of an answer that are not all alike, so that their order shows. */
static cwire_span filler(size_t length) {
  static uint8_t bytes[128 * 1024];
  require(length <= sizeof bytes);
  for (size_t i = 0; bytes[sizeof bytes - 1] == 0 && i < sizeof bytes; i++)
    bytes[i] = (uint8_t)('a' + i % 25 + (i / 25) % 2);
  return cwire_span_make(bytes, length);
}

static void answer(run *run, cr_id id, uint32_t how) {
  size_t bulk = run->bulky > 0 ? run->bulk : 0;
  if (run->bulky > 0) run->bulky--;
  cwire_span body[3] = {cwire_span_text("{\"ok\":"), filler(bulk), cwire_span_text("true}")};
  cr_reply reply = {.status = how % 7 == 6 ? 204 : 200,
                    .close = how % 5 == 4,
                    .content_type = cwire_span_text("application/json"),
                    .headers = how % 3 ? cwire_span_text("X-A: b\r\n") : cwire_span_make("", 0),
                    .body = body,
                    .body_count = 3};
  switch (run->whims ? (how >> 8) % 6 : 0) {
  case 0:
    cr_http_reply(run->loop, id, &reply);
    break;
  case 1:
    if (run->patient)
      cr_http_reply(run->loop, id, &reply);
    else
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
    cr_http_stream_write(run->loop, id, body, 3, (cr_gathering)(id & 1));
    if (how & 2)
      cr_http_stream_end(run->loop, id);
    else if (how & 8 || run->told_end)
      cr_close(run->loop, id);
  }
}

static void request(void *context, cr_id id, const cwire_http1_head *head, cwire_span body) {
  run *run = context;
  run->trace.requests++;
  mix(&run->trace, head->method_text);
  mix(&run->trace, head->target);
  mix(&run->trace, body);
  if (head->expect_continue) run->trace.expects = true;
  uint32_t how = next_random(&run->random);
  if (head->upgrade) {
    cwire_span none = cwire_span_make("", 0);
    cr_websocket_accept(run->loop, id, head, &run->sockets, cwire_span_text("mcp"), none);
  } else if (run->whims && how & 0x10000 && run->waiting_count < 16 && !run->told_end) {
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
  } else if (how % 16 == 14 && !run->patient) {
    cr_abort(run->loop, id);
  } else if (how % 16 == 13 && !binary) {
    cr_broadcast *broadcast = cr_broadcast_make(text);
    cr_websocket_send_broadcast(run->loop, id, broadcast);
    cr_broadcast_free(broadcast);
  } else {
    cr_websocket_send(run->loop, id, binary ? CR_WEBSOCKET_BINARY : CR_WEBSOCKET_TEXT, &text, 1);
  }
  if (run->pauses && how & 0x1000 && run->paused == 0) cr_read_pause(run->loop, run->paused = id);
}

static void resume(run *run) {
  if (run->paused != 0) cr_read_resume(run->loop, run->paused);
  run->paused = 0;
}

static void peer_ended(void *context, cr_id id, uint64_t tag) {
  run *run = context;
  run->told_end = true;
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

/* Once the peer is gone, and policy was told so. */
static void require_nothing_left(const run *run) {
  require(cr_loop_count(run->loop).downstream == 0);
  require(run->loop->slab.used == 0 && run->loop->buffers.bytes_out == 0);
  require(cr_loop_count(run->loop).broken == 0);
}

static void settle(run *run, cr_memory_peer *peer, int turns) {
  while (turns-- > 0 && cr_loop_step(run->loop))
    take_output(&run->trace, peer);
  take_output(&run->trace, peer);
}

#endif
