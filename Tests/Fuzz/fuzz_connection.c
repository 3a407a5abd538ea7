// links: CWire CReactor
#include "fuzz_connection.h"

/* A whole server connection over the in-memory transport: bytes in any cut, any fault of the
 * transport, answers at once, later, streamed or broken off, and WebSockets that say back what they
 * are told. What requests and messages are seen and, where the transport does not lose bytes, what
 * is answered must not depend on the cut; and nothing may be left behind. */

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
  require_nothing_left(&run);
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
