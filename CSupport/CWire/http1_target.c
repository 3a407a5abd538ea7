#include "http1_parse.h"
#include "http1_scan.h"

/* dec-octet "." dec-octet "." dec-octet "." dec-octet, without leading zeros (RFC 3986 section
 * 3.2.2), whose octal reading has fooled address checks before. */
static bool is_ipv4(cwire_span text) {
  int octets = 0;
  size_t i = 0;
  for (;;) {
    unsigned value = 0;
    size_t first = i;
    while (i < text.length && text.base[i] >= '0' && text.base[i] <= '9' && i - first < 3) {
      value = value * 10 + (unsigned)(text.base[i++] - '0');
    }
    if (i == first || value > 255 || (i - first > 1 && text.base[first] == '0')) return false;
    if (++octets == 4) return i == text.length;
    if (i == text.length || text.base[i++] != '.') return false;
  }
}

/* RFC 3986 section 3.2.2, without zone and without IPvFuture. */
static bool is_ipv6(cwire_span text) {
  int groups = 0;
  bool compressed = false;
  size_t i = 0;
  if (text.length >= 2 && text.base[0] == ':' && text.base[1] == ':') {
    compressed = true;
    i = 2;
  }
  while (i < text.length) {
    if (is_ipv4(cwire_span_drop(text, i))) {
      groups += 2;
      break;
    }
    size_t first = i;
    while (i < text.length && i - first < 4 && cwire_http1_is(text.base[i], CWIRE_CLASS_HEX))
      i++;
    if (i == first || ++groups > 8) return false;
    if (i == text.length) break;
    if (text.base[i++] != ':' || i == text.length) return false;
    if (text.base[i] != ':') continue;
    if (compressed) return false;
    compressed = true;
    i++;
  }
  return compressed ? groups < 8 : groups == 8;
}

/* A registered name as DNS has them: unreserved characters and percent-encoded bytes. The other
 * characters that RFC 3986 allows (the comma above all) are in no real host name and split lists.
 */
static bool is_name(cwire_span text) {
  if (text.length == 0 || text.length > 255) return false;
  for (size_t i = 0; i < text.length; i++) {
    if (cwire_http1_is(text.base[i], CWIRE_CLASS_HOST)) continue;
    if (text.base[i] != '%' || text.length - i < 3) return false;
    if (!cwire_http1_all(cwire_span_make(text.base + i + 1, 2), CWIRE_CLASS_HEX)) return false;
    i += 2;
  }
  return true;
}

/* "" or ":" port; the grammar permits a colon without digits. */
static bool is_port(cwire_span text) {
  if (text.length == 0) return true;
  if (text.base[0] != ':' || text.length > 6) return false;
  uint64_t port = 0;
  return text.length == 1 || (cwire_span_to_u64(cwire_span_drop(text, 1), &port) && port <= 65535);
}

bool cwire_http1_is_authority(cwire_span value) {
  if (value.length == 0) return false;
  const uint8_t *host_end;
  if (value.base[0] == '[') {
    const uint8_t *bracket = memchr(value.base, ']', value.length);
    if (bracket == NULL) return false;
    if (!is_ipv6(cwire_span_make(value.base + 1, (size_t)(bracket - value.base - 1)))) return false;
    host_end = bracket + 1;
  } else {
    const uint8_t *colon = memchr(value.base, ':', value.length);
    host_end = colon != NULL ? colon : value.base + value.length;
    if (!is_name(cwire_span_take(value, (size_t)(host_end - value.base)))) return false;
  }
  return is_port(cwire_span_drop(value, (size_t)(host_end - value.base)));
}

/* Checks the bytes of a path with its query, and parts the two. */
static int split_path(cwire_http1_head *head, cwire_span text) {
  size_t i = 0;
  while (i < text.length && text.base[i] != '?' &&
         cwire_http1_is(text.base[i], CWIRE_CLASS_TARGET)) {
    i++;
  }
  head->path = cwire_span_take(text, i);
  head->query = cwire_span_make(NULL, 0);
  if (i == text.length) return 1;
  if (text.base[i] != '?') return CWIRE_HTTP1_BAD_TARGET;
  head->query = cwire_span_drop(text, i + 1);
  return cwire_http1_all(head->query, CWIRE_CLASS_TARGET) ? 1 : CWIRE_HTTP1_BAD_TARGET;
}

/* What follows "http://" or "https://"; base NULL if the target starts with neither. */
static cwire_span after_scheme(cwire_span target) {
  for (size_t length = 7; length <= 8; length++) {
    cwire_span scheme = cwire_span_text(length == 7 ? "http://" : "https://");
    if (cwire_span_equal_ignoring_case(cwire_span_take(target, length), scheme)) {
      return cwire_span_drop(target, length);
    }
  }
  return cwire_span_make(NULL, 0);
}

static int parse_absolute(cwire_http1_head *head, cwire_span rest, cwire_span *authority) {
  size_t i = 0;
  while (i < rest.length && rest.base[i] != '/' && rest.base[i] != '?')
    i++;
  *authority = cwire_span_take(rest, i);
  if (!cwire_http1_is_authority(*authority)) return CWIRE_HTTP1_BAD_TARGET;
  int result = split_path(head, cwire_span_drop(rest, i));
  if (result < 0 || head->path.length > 0) return result;
  /* RFC 9112 section 3.2.4: without path and query, OPTIONS asks about the server as a whole. */
  bool server = head->method == CWIRE_METHOD_OPTIONS && head->query.base == NULL;
  head->path = cwire_span_text(server ? "*" : "/");
  return 1;
}

int cwire_http1_parse_target(cwire_http1_head *head, cwire_span *authority) {
  cwire_span target = head->target;
  if (target.length == 0) return CWIRE_HTTP1_BAD_TARGET;
  if (target.base[0] == '/') return split_path(head, target);
  if (target.length == 1 && target.base[0] == '*') {
    head->path = target;
    head->query = cwire_span_make(NULL, 0);
    return head->method == CWIRE_METHOD_OPTIONS ? 1 : CWIRE_HTTP1_BAD_TARGET;
  }
  cwire_span rest = after_scheme(target);
  return rest.base != NULL ? parse_absolute(head, rest, authority) : CWIRE_HTTP1_BAD_TARGET;
}
