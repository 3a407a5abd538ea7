#include "cwire/http1_field.h"

/* One row per field: index, spelling. The lookup table below must agree with it; a test looks up
 * every name. */
static const char *const names[CWIRE_FIELD_COUNT] = {
    [CWIRE_FIELD_ACCEPT] = "Accept",
    [CWIRE_FIELD_ACCEPT_ENCODING] = "Accept-Encoding",
    [CWIRE_FIELD_ACCESS_CONTROL_REQUEST_HEADERS] = "Access-Control-Request-Headers",
    [CWIRE_FIELD_ACCESS_CONTROL_REQUEST_METHOD] = "Access-Control-Request-Method",
    [CWIRE_FIELD_ALLOW] = "Allow",
    [CWIRE_FIELD_AUTHORIZATION] = "Authorization",
    [CWIRE_FIELD_BAGGAGE] = "Baggage",
    [CWIRE_FIELD_CACHE_CONTROL] = "Cache-Control",
    [CWIRE_FIELD_CONNECTION] = "Connection",
    [CWIRE_FIELD_CONTENT_ENCODING] = "Content-Encoding",
    [CWIRE_FIELD_CONTENT_LENGTH] = "Content-Length",
    [CWIRE_FIELD_CONTENT_TYPE] = "Content-Type",
    [CWIRE_FIELD_DATE] = "Date",
    [CWIRE_FIELD_EXPECT] = "Expect",
    [CWIRE_FIELD_FORWARDED] = "Forwarded",
    [CWIRE_FIELD_HOST] = "Host",
    [CWIRE_FIELD_KEEP_ALIVE] = "Keep-Alive",
    [CWIRE_FIELD_LAST_EVENT_ID] = "Last-Event-ID",
    [CWIRE_FIELD_LOCATION] = "Location",
    [CWIRE_FIELD_MCP_METHOD] = "Mcp-Method",
    [CWIRE_FIELD_MCP_NAME] = "Mcp-Name",
    [CWIRE_FIELD_MCP_PROTOCOL_VERSION] = "MCP-Protocol-Version",
    [CWIRE_FIELD_MCP_SESSION_ID] = "Mcp-Session-Id",
    [CWIRE_FIELD_ORIGIN] = "Origin",
    [CWIRE_FIELD_RETRY_AFTER] = "Retry-After",
    [CWIRE_FIELD_SEC_WEBSOCKET_ACCEPT] = "Sec-WebSocket-Accept",
    [CWIRE_FIELD_SEC_WEBSOCKET_EXTENSIONS] = "Sec-WebSocket-Extensions",
    [CWIRE_FIELD_SEC_WEBSOCKET_KEY] = "Sec-WebSocket-Key",
    [CWIRE_FIELD_SEC_WEBSOCKET_PROTOCOL] = "Sec-WebSocket-Protocol",
    [CWIRE_FIELD_SEC_WEBSOCKET_VERSION] = "Sec-WebSocket-Version",
    [CWIRE_FIELD_SERVER] = "Server",
    [CWIRE_FIELD_TE] = "TE",
    [CWIRE_FIELD_TRACEPARENT] = "traceparent",
    [CWIRE_FIELD_TRACESTATE] = "tracestate",
    [CWIRE_FIELD_TRAILER] = "Trailer",
    [CWIRE_FIELD_TRANSFER_ENCODING] = "Transfer-Encoding",
    [CWIRE_FIELD_UPGRADE] = "Upgrade",
    [CWIRE_FIELD_USER_AGENT] = "User-Agent",
    [CWIRE_FIELD_WWW_AUTHENTICATE] = "WWW-Authenticate",
    [CWIRE_FIELD_X_FORWARDED_FOR] = "X-Forwarded-For",
    [CWIRE_FIELD_X_FORWARDED_HOST] = "X-Forwarded-Host",
    [CWIRE_FIELD_X_FORWARDED_PROTO] = "X-Forwarded-Proto",
};

enum { LONGEST = 30 };

/* Length and first letter single out one candidate. Stored plus one, so that 0 means none. */
static const uint8_t by_shape[LONGEST + 1][26] = {
    [2]['t' - 'a'] = CWIRE_FIELD_TE + 1,
    [4]['d' - 'a'] = CWIRE_FIELD_DATE + 1,
    [4]['h' - 'a'] = CWIRE_FIELD_HOST + 1,
    [5]['a' - 'a'] = CWIRE_FIELD_ALLOW + 1,
    [6]['a' - 'a'] = CWIRE_FIELD_ACCEPT + 1,
    [6]['e' - 'a'] = CWIRE_FIELD_EXPECT + 1,
    [6]['o' - 'a'] = CWIRE_FIELD_ORIGIN + 1,
    [6]['s' - 'a'] = CWIRE_FIELD_SERVER + 1,
    [7]['b' - 'a'] = CWIRE_FIELD_BAGGAGE + 1,
    [7]['t' - 'a'] = CWIRE_FIELD_TRAILER + 1,
    [7]['u' - 'a'] = CWIRE_FIELD_UPGRADE + 1,
    [8]['l' - 'a'] = CWIRE_FIELD_LOCATION + 1,
    [8]['m' - 'a'] = CWIRE_FIELD_MCP_NAME + 1,
    [9]['f' - 'a'] = CWIRE_FIELD_FORWARDED + 1,
    [10]['c' - 'a'] = CWIRE_FIELD_CONNECTION + 1,
    [10]['k' - 'a'] = CWIRE_FIELD_KEEP_ALIVE + 1,
    [10]['m' - 'a'] = CWIRE_FIELD_MCP_METHOD + 1,
    [10]['t' - 'a'] = CWIRE_FIELD_TRACESTATE + 1,
    [10]['u' - 'a'] = CWIRE_FIELD_USER_AGENT + 1,
    [11]['r' - 'a'] = CWIRE_FIELD_RETRY_AFTER + 1,
    [11]['t' - 'a'] = CWIRE_FIELD_TRACEPARENT + 1,
    [12]['c' - 'a'] = CWIRE_FIELD_CONTENT_TYPE + 1,
    [13]['a' - 'a'] = CWIRE_FIELD_AUTHORIZATION + 1,
    [13]['c' - 'a'] = CWIRE_FIELD_CACHE_CONTROL + 1,
    [13]['l' - 'a'] = CWIRE_FIELD_LAST_EVENT_ID + 1,
    [14]['c' - 'a'] = CWIRE_FIELD_CONTENT_LENGTH + 1,
    [14]['m' - 'a'] = CWIRE_FIELD_MCP_SESSION_ID + 1,
    [15]['a' - 'a'] = CWIRE_FIELD_ACCEPT_ENCODING + 1,
    [15]['x' - 'a'] = CWIRE_FIELD_X_FORWARDED_FOR + 1,
    [16]['c' - 'a'] = CWIRE_FIELD_CONTENT_ENCODING + 1,
    [16]['w' - 'a'] = CWIRE_FIELD_WWW_AUTHENTICATE + 1,
    [16]['x' - 'a'] = CWIRE_FIELD_X_FORWARDED_HOST + 1,
    [17]['s' - 'a'] = CWIRE_FIELD_SEC_WEBSOCKET_KEY + 1,
    [17]['t' - 'a'] = CWIRE_FIELD_TRANSFER_ENCODING + 1,
    [17]['x' - 'a'] = CWIRE_FIELD_X_FORWARDED_PROTO + 1,
    [20]['m' - 'a'] = CWIRE_FIELD_MCP_PROTOCOL_VERSION + 1,
    [20]['s' - 'a'] = CWIRE_FIELD_SEC_WEBSOCKET_ACCEPT + 1,
    [21]['s' - 'a'] = CWIRE_FIELD_SEC_WEBSOCKET_VERSION + 1,
    [22]['s' - 'a'] = CWIRE_FIELD_SEC_WEBSOCKET_PROTOCOL + 1,
    [24]['s' - 'a'] = CWIRE_FIELD_SEC_WEBSOCKET_EXTENSIONS + 1,
    [29]['a' - 'a'] = CWIRE_FIELD_ACCESS_CONTROL_REQUEST_METHOD + 1,
    [30]['a' - 'a'] = CWIRE_FIELD_ACCESS_CONTROL_REQUEST_HEADERS + 1,
};

/* Whether 8 bytes agree but for bit 0x20. Our names are letters and hyphens, so the only bytes this
 * confuses besides the two cases of a letter are a hyphen and CR: no control character gets here.
 */
static bool same8(const uint8_t *a, const char *b) {
  uint64_t x, y;
  memcpy(&x, a, 8);
  memcpy(&y, b, 8);
  return ((x ^ y) & ~UINT64_C(0x2020202020202020)) == 0;
}

static bool same(cwire_span name, const char *ours) {
  size_t i = 0;
  for (; i + 8 <= name.length; i += 8) {
    if (!same8(name.base + i, ours + i)) return false;
  }
  if (i == name.length) return true;
  if (name.length >= 8) return same8(name.base + name.length - 8, ours + name.length - 8);
  for (; i < name.length; i++) {
    if (((name.base[i] ^ (uint8_t)ours[i]) & ~0x20) != 0) return false;
  }
  return true;
}

cwire_http1_field cwire_http1_field_find(cwire_span name) {
  if (name.length == 0 || name.length > LONGEST) return CWIRE_FIELD_OTHER;
  uint8_t letter = (uint8_t)((name.base[0] | 0x20) - 'a');
  if (letter >= 26) return CWIRE_FIELD_OTHER;
  uint8_t candidate = by_shape[name.length][letter];
  if (candidate == 0 || !same(name, names[candidate - 1])) return CWIRE_FIELD_OTHER;
  return (cwire_http1_field)(candidate - 1);
}

cwire_span cwire_http1_field_name(cwire_http1_field field) {
  if ((unsigned)field >= CWIRE_FIELD_COUNT) return cwire_span_make("", 0);
  return cwire_span_text(names[field]);
}
