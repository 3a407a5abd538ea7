// links: CWire
#include "fuzz_http1.h"

/* The last byte chooses limits, so that the seeds stay readable. */
static cwire_http1_limits choose_limits(uint8_t choice) {
  cwire_http1_limits limits = cwire_http1_default_limits();
  if (choice & 1) limits.max_target = 16;
  if (choice & 2) limits.max_headers = 4;
  if (choice & 4) limits.max_head = 128;
  return limits;
}

/* What was accepted can be written afresh, and reads the same: nothing in it was ambiguous. */
static void check_rewrite(const cwire_http1_head *head) {
  static uint8_t buffer[1 << 17];
  static cwire_http1_head again;
  cwire_writer writer = cwire_writer_make(buffer, sizeof buffer);
  cwire_http1_put_request_line(&writer, head->method_text, head->target);
  put_fields(&writer, head);
  require(cwire_writer_ok(&writer));
  cwire_http1_limits limits = cwire_http1_default_limits();
  limits.max_head = sizeof buffer;
  limits.max_target = sizeof buffer;
  ptrdiff_t result = cwire_http1_parse_request(&again, &limits, cwire_writer_written(&writer), 0);
  require(result == (ptrdiff_t)writer.length);
  require(again.framing == head->framing && again.content_length == head->content_length);
  require(cwire_span_equal(again.path, head->path) && cwire_span_equal(again.query, head->query));
  require(again.present == head->present && again.count == head->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  cwire_http1_limits limits = choose_limits(data[size - 1]);
  cwire_span input = copy(cwire_span_make(data, size - 1));
  static cwire_http1_head head;
  ptrdiff_t whole = cwire_http1_parse_request(&head, &limits, input, 0);
  require(whole <= (ptrdiff_t)input.length && whole >= CWIRE_HTTP1_ERROR_LAST);
  check_cuts(cwire_http1_parse_request, &head, &limits, input, whole);
  if (whole > 0) {
    require(head.minor == 0 || head.known[CWIRE_FIELD_HOST].base != NULL);
    require(head.framing != CWIRE_FRAMING_UNTIL_CLOSE);
    if (head.minor > 0) check_rewrite(&head);
  }
  free((void *)input.base);
  return 0;
}
