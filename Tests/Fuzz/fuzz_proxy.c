// links: CWire
#include "fuzz.h"

/* The first byte chooses: a header of the PROXY protocol, or the value of a field. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The result is the same however the header arrives, and says nothing that it did not read. */
static void check_header(cwire_span input) {
  cwire_proxy whole, cut;
  ptrdiff_t result = cwire_proxy_parse(&whole, input);
  FUZZ_EXPECT(result <= (ptrdiff_t)input.length && result >= CWIRE_PROXY_TOO_LARGE);
  FUZZ_EXPECT(result <= CWIRE_PROXY_MAX);
  FUZZ_EXPECT(result != 0 || input.length < CWIRE_PROXY_MAX);
  FUZZ_EXPECT(result > 0 || !whole.known);
  for (size_t length = 0; length <= input.length && length <= 2 * CWIRE_PROXY_V1_MAX; length++) {
    cwire_span part = fuzz_copy(cwire_span_take(input, length));
    ptrdiff_t early = cwire_proxy_parse(&cut, part);
    fuzz_free(part);
    FUZZ_EXPECT(early == 0 || early == result);
    FUZZ_EXPECT(early <= 0 || (size_t)early == length);
    if (early == 0) continue;
    FUZZ_EXPECT(cut.known == whole.known && cut.port == whole.port);
    FUZZ_EXPECT(memcmp(cut.source, whole.source, sizeof cut.source) == 0);
    break;
  }
}

static void check_field(cwire_span value, cwire_http1_field field) {
  static cwire_http1_head head;
  memset(&head, 0, sizeof head);
  head.present = (uint64_t)1 << field;
  head.known[field] = cwire_span_trim(value);
  cwire_span hops[CWIRE_FORWARDED_MOST];
  size_t count = cwire_forwarded_hops(&head, hops);
  FUZZ_EXPECT(count <= CWIRE_FORWARDED_MOST);
  for (size_t index = 0; index < count; index++) {
    uint8_t address[16];
    if (hops[index].length > 0)
      FUZZ_EXPECT(hops[index].base >= value.base &&
                  hops[index].base + hops[index].length <= value.base + value.length);
    if (cwire_forwarded_address(hops[index], address)) {
      cwire_network alone = {.bits = 128};
      memcpy(alone.address, address, sizeof address);
      FUZZ_EXPECT(cwire_network_has(&alone, address));
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  cwire_span input = fuzz_copy(cwire_span_make(data + 1, size - 1));
  if (data[0] == 'x')
    check_field(input, CWIRE_FIELD_X_FORWARDED_FOR);
  else if (data[0] == 'f')
    check_field(input, CWIRE_FIELD_FORWARDED);
  else
    check_header(input);
  fuzz_free(input);
  return 0;
}
