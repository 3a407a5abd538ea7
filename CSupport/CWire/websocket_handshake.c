#include "cwire/base64.h"
#include "cwire/websocket.h"
#include "http1_parse.h"
#include "sha1.h"

#define KEY_LENGTH 24u

bool cwire_ws_accept(cwire_span key, uint8_t out[CWIRE_WS_ACCEPT_LENGTH]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  uint8_t nonce[16];
  if (key.length != KEY_LENGTH) return false;
  if (cwire_base64_decode(key, CWIRE_BASE64_STANDARD, nonce, sizeof nonce) != sizeof nonce)
    return false;
  uint8_t text[KEY_LENGTH + sizeof guid - 1];
  memcpy(text, key.base, KEY_LENGTH);
  memcpy(text + KEY_LENGTH, guid, sizeof guid - 1);
  uint8_t digest[20];
  cwire_sha1(cwire_span_make(text, sizeof text), digest);
  cwire_writer writer = cwire_writer_make(out, CWIRE_WS_ACCEPT_LENGTH);
  cwire_base64_put(&writer, cwire_span_make(digest, sizeof digest), CWIRE_BASE64_STANDARD);
  return true;
}

static bool key_is_valid(const cwire_http1_head *head) {
  uint8_t nonce[16];
  cwire_span key = cwire_http1_value(head, CWIRE_FIELD_SEC_WEBSOCKET_KEY);
  return key.length == KEY_LENGTH && !cwire_http1_has_twice(head, CWIRE_FIELD_SEC_WEBSOCKET_KEY) &&
         cwire_base64_decode(key, CWIRE_BASE64_STANDARD, nonce, sizeof nonce) == sizeof nonce;
}

int cwire_ws_check_request(const cwire_http1_head *head) {
  if (head->method != CWIRE_METHOD_GET) return 405;
  if (!head->upgrade ||
      !cwire_http1_has_token(head, CWIRE_FIELD_UPGRADE, cwire_span_text("websocket")))
    return 426;
  if (!cwire_http1_has(head, CWIRE_FIELD_SEC_WEBSOCKET_VERSION)) return 400;
  if (cwire_http1_has_twice(head, CWIRE_FIELD_SEC_WEBSOCKET_VERSION)) return 400;
  cwire_span version = cwire_http1_value(head, CWIRE_FIELD_SEC_WEBSOCKET_VERSION);
  if (!cwire_span_equal(version, cwire_span_text("13"))) return 426;
  /* Bytes after the head are frames already, so a body has no place. */
  if (head->framing != CWIRE_FRAMING_NONE) return 400;
  return key_is_valid(head) ? 0 : 400;
}

bool cwire_ws_has_protocol(const cwire_http1_head *head, cwire_span protocol) {
  cwire_span value, element;
  for (uint32_t next = 0;
       cwire_http1_next_line(head, CWIRE_FIELD_SEC_WEBSOCKET_PROTOCOL, &next, &value);) {
    while (cwire_span_next_element(&value, &element)) {
      if (cwire_span_equal(element, protocol)) return true;
    }
  }
  return false;
}
