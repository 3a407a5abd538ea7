#include "creactor/error.h"

#include <cwire/http1_error.h>
#include <cwire/websocket.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <stdio.h>
#include <uv.h>

static const char *reason_text(int32_t code) {
  switch ((cr_reason)code) {
  case CR_REASON_NONE:
    return "no error";
  case CR_REASON_PEER_CLOSED:
    return "the peer closed the connection";
  case CR_REASON_TIMED_OUT:
    return "timed out";
  case CR_REASON_LIMIT:
    return "a limit was exceeded";
  case CR_REASON_LOCAL:
    return "closed by this side";
  case CR_REASON_LINE_TOO_LONG:
    return "a line of output was too long";
  case CR_REASON_NO_PROGRAM:
    return "no such program";
  case CR_REASON_NO_DIRECTORY:
    return "no such directory";
  case CR_REASON_RESTLESS:
    return "too many key updates or new handshakes for what was sent";
  }
  return "unknown reason";
}

/* Verify results are small numbers; an OpenSSL error carries its library in the upper bits. */
static const char *tls_text(int32_t code, char *scratch, size_t capacity) {
  bool verify = code >= 0 && code < 4096;
  const char *found = verify ? X509_verify_cert_error_string(code)
                             : ERR_reason_error_string((unsigned long)(uint32_t)code);
  const char *what = verify ? "the peer's certificate was refused" : "TLS failed";
  snprintf(scratch, capacity, "%s: %s", what, found ? found : "unknown error");
  return scratch;
}

static const char *websocket_text(int32_t code, char *scratch, size_t capacity) {
  switch (code) {
  case 101:
    return "the server's answer to the WebSocket handshake is invalid";
  case CWIRE_WS_PROTOCOL_ERROR:
    return "the peer broke the WebSocket protocol";
  case CWIRE_WS_INVALID_DATA:
    return "a WebSocket message is not what it claims to be: UTF-8 or deflated";
  case CWIRE_WS_TOO_BIG:
    return "a WebSocket message is too long";
  default:
    break;
  }
  bool status = code < 1000;
  snprintf(scratch, capacity,
           status ? "the server answered the WebSocket handshake with %d"
                  : "the WebSocket was closed with code %d",
           code);
  return scratch;
}

int cr_error_text(cr_error error, char *out, int capacity) {
  if (capacity <= 0) return 0;
  const char *text = "unknown error";
  char scratch[160];
  switch ((cr_domain)error.domain) {
  case CR_DOMAIN_NONE:
    text = "no error";
    break;
  case CR_DOMAIN_UV:
  case CR_DOMAIN_RESOLVER:
    text = uv_strerror_r(error.code, scratch, sizeof scratch);
    break;
  case CR_DOMAIN_TLS:
    text = tls_text(error.code, scratch, sizeof scratch);
    break;
  case CR_DOMAIN_HTTP:
    text = cwire_http1_error_text(error.code);
    break;
  case CR_DOMAIN_REACTOR:
    text = reason_text(error.code);
    break;
  case CR_DOMAIN_WEBSOCKET:
    text = websocket_text(error.code, scratch, sizeof scratch);
    break;
  }
  int length = snprintf(out, (size_t)capacity, "%s", text);
  return length < capacity ? length : capacity - 1;
}
