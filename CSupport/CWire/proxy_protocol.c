#include "cwire/proxy_protocol.h"

#include "cwire/address.h"

/* "The PROXY protocol, versions 1 & 2", sections 2.1 and 2.2. */

static const uint8_t signature[12] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                      '\n', 'Q',  'U',  'I',  'T', '\n'};

enum { V2_HEAD = 16, VERSION_2 = 0x2, LOCAL = 0x0, PROXIED = 0x1 };
enum { FAMILY_NONE = 0x0, FAMILY_IPV4 = 0x1, FAMILY_IPV6 = 0x2, FAMILY_UNIX = 0x3 };
enum { IPV4_LENGTH = 12, IPV6_LENGTH = 36, UNIX_LENGTH = 216, HIGHEST_TRANSPORT = 0x2 };

/* ---- Version 1 ---- */

/* Takes a word and the space behind it off `line`. */
static cwire_span take_word(cwire_span *line) {
  const uint8_t *space = line->length > 0 ? memchr(line->base, ' ', line->length) : NULL;
  size_t length = space == NULL ? line->length : (size_t)(space - line->base);
  cwire_span word = cwire_span_take(*line, length);
  *line = space == NULL ? cwire_span_make(NULL, 0) : cwire_span_drop(*line, length + 1);
  return word;
}

static bool read_port(cwire_span text, uint16_t *port) {
  uint64_t value;
  if (text.length > 5 || !cwire_span_to_u64(text, &value) || value > UINT16_MAX) return false;
  *port = (uint16_t)value;
  return text.length == 1 || text.base[0] != '0';
}

static bool read_address(cwire_span text, bool is_v6, uint8_t out[16]) {
  bool has_colon = text.length > 0 && memchr(text.base, ':', text.length) != NULL;
  return has_colon == is_v6 && cwire_address_parse(text, out);
}

/* What stands between "PROXY " and CRLF. */
static bool read_line(cwire_proxy *out, cwire_span line) {
  cwire_span family = take_word(&line);
  if (cwire_span_equal(family, cwire_span_text("UNKNOWN"))) return true;
  bool is_v6 = cwire_span_equal(family, cwire_span_text("TCP6"));
  if (!is_v6 && !cwire_span_equal(family, cwire_span_text("TCP4"))) return false;
  uint8_t destination[16];
  uint16_t port;
  cwire_span from = take_word(&line), to = take_word(&line);
  cwire_span from_port = take_word(&line), to_port = line;
  out->known = read_address(from, is_v6, out->source) && read_address(to, is_v6, destination) &&
               read_port(from_port, &out->port) && read_port(to_port, &port);
  return out->known;
}

static ptrdiff_t parse_v1(cwire_proxy *out, cwire_span input) {
  cwire_span start = cwire_span_text("PROXY ");
  size_t seen = input.length < start.length ? input.length : start.length;
  if (memcmp(input.base, start.base, seen) != 0) return CWIRE_PROXY_BAD;
  cwire_span head = cwire_span_take(input, CWIRE_PROXY_V1_MAX);
  const uint8_t *end = memchr(head.base, '\r', head.length);
  if (end == NULL || end + 1 == head.base + head.length)
    return head.length == CWIRE_PROXY_V1_MAX ? CWIRE_PROXY_BAD : 0;
  size_t length = (size_t)(end - head.base);
  if (length < start.length || end[1] != '\n') return CWIRE_PROXY_BAD;
  cwire_span line = cwire_span_make(head.base + start.length, length - start.length);
  return read_line(out, line) ? (ptrdiff_t)length + 2 : CWIRE_PROXY_BAD;
}

/* ---- Version 2 ---- */

static bool extensions_fit(cwire_span rest) {
  while (rest.length > 0) {
    if (rest.length < 3) return false;
    size_t length = (size_t)rest.base[1] << 8 | rest.base[2];
    if (length > rest.length - 3) return false;
    rest = cwire_span_drop(rest, 3 + length);
  }
  return true;
}

static bool read_block(cwire_proxy *out, unsigned family, bool is_stream, cwire_span block) {
  static const size_t lengths[] = {0, IPV4_LENGTH, IPV6_LENGTH, UNIX_LENGTH};
  if (family == FAMILY_NONE) return true;
  if (block.length < lengths[family]) return false;
  if (!extensions_fit(cwire_span_drop(block, lengths[family]))) return false;
  /* Nobody connects by datagrams here. */
  if (family == FAMILY_UNIX || !is_stream) return true;
  size_t port;
  if (family == FAMILY_IPV4) {
    memset(out->source, 0, 10);
    memset(out->source + 10, 0xff, 2);
    memcpy(out->source + 12, block.base, 4);
    port = 8;
  } else {
    memcpy(out->source, block.base, 16);
    port = 32;
  }
  out->port = (uint16_t)(block.base[port] << 8 | block.base[port + 1]);
  out->known = true;
  return true;
}

static ptrdiff_t parse_v2(cwire_proxy *out, cwire_span input) {
  size_t seen = input.length < sizeof signature ? input.length : sizeof signature;
  if (memcmp(input.base, signature, seen) != 0) return CWIRE_PROXY_BAD;
  if (input.length < V2_HEAD) return 0;
  unsigned version = input.base[12] >> 4, command = input.base[12] & 0xf;
  unsigned family = input.base[13] >> 4, transport = input.base[13] & 0xf;
  size_t length = (size_t)input.base[14] << 8 | input.base[15];
  if (version != VERSION_2 || command > PROXIED) return CWIRE_PROXY_BAD;
  if (command == PROXIED && (family > FAMILY_UNIX || transport > HIGHEST_TRANSPORT))
    return CWIRE_PROXY_BAD;
  if (V2_HEAD + length > CWIRE_PROXY_MAX) return CWIRE_PROXY_TOO_LARGE;
  if (input.length < V2_HEAD + length) return 0;
  cwire_span block = cwire_span_make(input.base + V2_HEAD, length);
  bool is_stream = transport == 1;
  if (command == PROXIED && !read_block(out, family, is_stream, block)) return CWIRE_PROXY_BAD;
  return (ptrdiff_t)(V2_HEAD + length);
}

ptrdiff_t cwire_proxy_parse(cwire_proxy *out, cwire_span input) {
  *out = (cwire_proxy){.known = false};
  if (input.length == 0) return 0;
  return input.base[0] == signature[0] ? parse_v2(out, input) : parse_v1(out, input);
}
