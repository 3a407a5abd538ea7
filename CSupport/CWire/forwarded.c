#include "cwire/forwarded.h"

#include "cwire/address.h"
#include "http1_parse.h"
#include "http1_scan.h"

/* The last of the hops that were added, in a ring. */
typedef struct hop_ring {
  cwire_span hops[CWIRE_FORWARDED_MOST];
  size_t added;
} hop_ring;

static void add(hop_ring *ring, cwire_span hop) {
  ring->hops[ring->added++ % CWIRE_FORWARDED_MOST] = hop;
}

/* ---- X-Forwarded-For ---- */

static void add_list(hop_ring *ring, cwire_span list) {
  cwire_span element;
  while (cwire_span_next_element(&list, &element)) {
    if (element.length > 0) add(ring, element);
  }
}

/* ---- Forwarded ---- */

/* Takes a token or the inside of a quoted string off `text`. A quoted pair would have to be undone,
 * and no address needs one: it makes the value malformed. */
static bool take_value(cwire_span *text, cwire_span *value) {
  if (text->length == 0 || text->base[0] != '"') {
    size_t length = 0;
    while (length < text->length && text->base[length] != ';' && text->base[length] != ',')
      length++;
    *value = cwire_span_trim(cwire_span_take(*text, length));
    *text = cwire_span_drop(*text, length);
    return value->length > 0 && memchr(value->base, '"', value->length) == NULL;
  }
  const uint8_t *end = memchr(text->base + 1, '"', text->length - 1);
  if (end == NULL) return false;
  *value = cwire_span_make(text->base + 1, (size_t)(end - text->base - 1));
  if (value->length > 0 && memchr(value->base, '\\', value->length) != NULL) return false;
  *text = cwire_span_trim(cwire_span_drop(*text, value->length + 2));
  return text->length == 0 || text->base[0] == ';' || text->base[0] == ',';
}

/* Takes one pair off `text`, and what ends it: ';' before another pair, ',' before another element.
 */
static bool take_pair(cwire_span *text, cwire_span *name, cwire_span *value, uint8_t *end) {
  const uint8_t *equals = text->length > 0 ? memchr(text->base, '=', text->length) : NULL;
  if (equals == NULL) return false;
  *name = cwire_span_trim(cwire_span_take(*text, (size_t)(equals - text->base)));
  if (name->length == 0 || !cwire_http1_all(*name, CWIRE_CLASS_TOKEN)) return false;
  *text = cwire_span_trim(cwire_span_drop(*text, (size_t)(equals - text->base) + 1));
  if (!take_value(text, value)) return false;
  *end = text->length > 0 ? text->base[0] : 0;
  *text = cwire_span_trim(cwire_span_drop(*text, 1));
  return *end == 0 || text->length > 0;
}

static bool add_elements(hop_ring *ring, cwire_span text) {
  cwire_span hop = cwire_span_make("", 0), name, value;
  while (text.length > 0) {
    uint8_t end;
    if (!take_pair(&text, &name, &value, &end)) return false;
    if (cwire_span_equal_ignoring_case(name, cwire_span_text("for"))) {
      if (hop.length > 0) return false;
      hop = value;
    }
    if (end == ';') continue;
    add(ring, hop);
    hop = cwire_span_make("", 0);
  }
  return true;
}

size_t cwire_forwarded_hops(const cwire_http1_head *head, cwire_span hops[CWIRE_FORWARDED_MOST]) {
  hop_ring ring;
  cwire_span value;
  ring.added = 0;
  bool listed = cwire_http1_has(head, CWIRE_FIELD_X_FORWARDED_FOR);
  cwire_http1_field field = listed ? CWIRE_FIELD_X_FORWARDED_FOR : CWIRE_FIELD_FORWARDED;
  if (!cwire_http1_has(head, field)) return 0;
  for (uint32_t next = 0; cwire_http1_next_line(head, field, &next, &value);) {
    if (listed)
      add_list(&ring, value);
    else if (!add_elements(&ring, value))
      return 0;
  }
  size_t count = ring.added < CWIRE_FORWARDED_MOST ? ring.added : CWIRE_FORWARDED_MOST;
  for (size_t index = 0; index < count; index++)
    hops[index] = ring.hops[(ring.added - 1 - index) % CWIRE_FORWARDED_MOST];
  return count;
}

/* ":" and digits, or what hides a port (RFC 7239 section 6.3); or nothing. */
static bool is_port(cwire_span text) {
  if (text.length == 0) return true;
  if (text.base[0] != ':' || text.length < 2) return false;
  return cwire_http1_all(cwire_span_drop(text, 1), CWIRE_CLASS_TOKEN);
}

bool cwire_forwarded_address(cwire_span hop, uint8_t out[16]) {
  if (hop.length == 0) return false;
  if (hop.base[0] == '[') {
    const uint8_t *end = memchr(hop.base, ']', hop.length);
    if (end == NULL) return false;
    cwire_span inner = cwire_span_make(hop.base + 1, (size_t)(end - hop.base - 1));
    cwire_span rest = cwire_span_drop(hop, inner.length + 2);
    bool is_v6 = inner.length > 0 && memchr(inner.base, ':', inner.length) != NULL;
    return is_v6 && is_port(rest) && cwire_address_parse(inner, out);
  }
  const uint8_t *colon = memchr(hop.base, ':', hop.length);
  size_t before = colon == NULL ? hop.length : (size_t)(colon - hop.base);
  cwire_span rest = cwire_span_drop(hop, before);
  bool is_v6 = rest.length > 1 && memchr(rest.base + 1, ':', rest.length - 1) != NULL;
  if (is_v6) return cwire_address_parse(hop, out);
  return is_port(rest) && cwire_address_parse(cwire_span_take(hop, before), out);
}
