// links: CWire
#include "fuzz_http1.h"

static bool to_head;

static ptrdiff_t parse(cwire_http1_head *head, const cwire_http1_limits *limits, cwire_span input,
                       size_t already_seen) {
  return cwire_http1_parse_response(head, limits, input, already_seen, to_head);
}

/* What was accepted can be written afresh and frames the same body. */
static void check_rewrite(const cwire_http1_head *head) {
  static uint8_t buffer[1 << 17];
  static cwire_http1_head again;
  cwire_writer writer = cwire_writer_make(buffer, sizeof buffer);
  cwire_http1_put_status_line(&writer, head->status);
  put_fields(&writer, head);
  require(cwire_writer_ok(&writer));
  cwire_http1_limits limits = cwire_http1_default_limits();
  limits.max_head = sizeof buffer;
  require(parse(&again, &limits, cwire_writer_written(&writer), 0) == (ptrdiff_t)writer.length);
  require(again.framing == head->framing && again.content_length == head->content_length);
  require(again.status == head->status && same_fields(&again, head));
}

/* The last byte says whether it answers HEAD, and chooses limits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  cwire_http1_limits limits = cwire_http1_default_limits();
  to_head = (data[size - 1] & 1) != 0;
  if (data[size - 1] & 2) limits.max_headers = 4;
  if (data[size - 1] & 4) limits.max_head = 128;
  cwire_span input = copy(cwire_span_make(data, size - 1));
  static cwire_http1_head head;
  ptrdiff_t whole = parse(&head, &limits, input, 0);
  require(whole <= (ptrdiff_t)input.length && whole >= CWIRE_HTTP1_ERROR_LAST);
  check_cuts(parse, &head, &limits, input, whole);
  if (whole > 0) {
    require(head.status >= 100 && head.status <= 999);
    require(!to_head || head.framing == CWIRE_FRAMING_NONE);
    require(head.framing != CWIRE_FRAMING_UNTIL_CLOSE || !head.keep_alive);
    check_rewrite(&head);
  }
  free((void *)input.base);
  return 0;
}
