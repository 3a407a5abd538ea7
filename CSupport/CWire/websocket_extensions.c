#include "cwire/websocket.h"
#include "http1_parse.h"
#include "http1_scan.h"

/* The parameters of one offer of permessage-deflate, or of the answer to one (RFC 7692
 * section 7.1).
 */
typedef struct parameters {
  bool server_no_context_takeover;
  bool client_no_context_takeover;
  bool has_server_bits;
  bool has_client_bits;
  uint8_t server_bits;
  uint8_t client_bits; /* 0: named without a value, which only an offer may do */
} parameters;

/* Takes what stands before the next `separator` that is not quoted off `rest` and trims it; false
 * once there is nothing left. */
static bool next_part(cwire_span *rest, uint8_t separator, cwire_span *part) {
  if (rest->base == NULL) return false;
  bool quoted = false;
  for (size_t index = 0; index < rest->length; index++) {
    uint8_t byte = rest->base[index];
    if (byte == '"') {
      quoted = !quoted;
    } else if (quoted && byte == '\\') {
      index++;
    } else if (!quoted && byte == separator) {
      *part = cwire_span_trim(cwire_span_take(*rest, index));
      *rest = cwire_span_drop(*rest, index + 1);
      return true;
    }
  }
  *part = cwire_span_trim(*rest);
  *rest = cwire_span_make(NULL, 0);
  return true;
}

/* A window size: 8 to 15, as a token or quoted (RFC 6455 section 9.1). 0 if it is none. */
static uint8_t read_bits(cwire_span value) {
  if (value.length >= 2 && value.base[0] == '"' && value.base[value.length - 1] == '"')
    value = cwire_span_make(value.base + 1, value.length - 2);
  uint64_t bits;
  if (!cwire_span_to_u64(value, &bits) || value.base[0] == '0') return 0;
  return bits >= 8 && bits <= 15 ? (uint8_t)bits : 0;
}

static bool is(cwire_span name, const char *text) {
  return cwire_span_equal_ignoring_case(name, cwire_span_text(text));
}

static bool take_flag(bool *flag, bool has_value) {
  if (*flag || has_value) return false;
  return *flag = true;
}

static bool take_parameter(parameters *found, cwire_span part) {
  const uint8_t *equals = part.length > 0 ? memchr(part.base, '=', part.length) : NULL;
  cwire_span name = part, value = cwire_span_make(NULL, 0);
  if (equals != NULL) {
    size_t length = (size_t)(equals - part.base);
    name = cwire_span_trim(cwire_span_take(part, length));
    value = cwire_span_trim(cwire_span_drop(part, length + 1));
  }
  if (is(name, "server_no_context_takeover"))
    return take_flag(&found->server_no_context_takeover, equals != NULL);
  if (is(name, "client_no_context_takeover"))
    return take_flag(&found->client_no_context_takeover, equals != NULL);
  if (is(name, "server_max_window_bits")) {
    found->server_bits = read_bits(value);
    return take_flag(&found->has_server_bits, false) && found->server_bits != 0;
  }
  if (is(name, "client_max_window_bits")) {
    found->client_bits = read_bits(value);
    return take_flag(&found->has_client_bits, false) && (found->client_bits != 0 || equals == NULL);
  }
  return false;
}

/* Reads one element of Sec-WebSocket-Extensions: false if it is another extension or ill-formed. */
static bool read_extension(cwire_span extension, parameters *found) {
  cwire_span part;
  *found = (parameters){0};
  if (!next_part(&extension, ';', &part) || !is(part, "permessage-deflate")) return false;
  while (next_part(&extension, ';', &part)) {
    if (!take_parameter(found, part)) return false;
  }
  return true;
}

cwire_ws_deflate cwire_ws_accept_offer(const cwire_http1_head *request) {
  cwire_span value, extension;
  for (uint32_t next = 0;
       cwire_http1_next_line(request, CWIRE_FIELD_SEC_WEBSOCKET_EXTENSIONS, &next, &value);) {
    while (next_part(&value, ',', &extension)) {
      parameters offer;
      if (!read_extension(extension, &offer)) continue;
      if (offer.has_server_bits && offer.server_bits == 8) continue; /* zlib has no such window */
      /* A client that says how small its windows are (8 to 15) is taken at its word. One that only
       * says that it could be told is not: what is inflated shares one window of the largest size.
       */
      return (cwire_ws_deflate){
          .on = true,
          .server_bits = offer.has_server_bits ? offer.server_bits : 15,
          .client_bits = offer.client_bits != 0 ? offer.client_bits : 15,
          .names_server_bits = offer.has_server_bits,
          .names_client_bits = offer.client_bits != 0,
      };
    }
  }
  return (cwire_ws_deflate){0};
}

void cwire_ws_put_agreed(cwire_writer *writer, const cwire_ws_deflate *agreed) {
  cwire_writer_put_text(
      writer, "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
  if (agreed->names_server_bits) {
    cwire_writer_put_text(writer, "; server_max_window_bits=");
    cwire_writer_put_u64(writer, agreed->server_bits);
  }
  if (agreed->names_client_bits) {
    cwire_writer_put_text(writer, "; client_max_window_bits=");
    cwire_writer_put_u64(writer, agreed->client_bits);
  }
}

bool cwire_ws_read_agreed(const cwire_http1_head *response, cwire_ws_deflate *agreed) {
  cwire_span value, extension;
  *agreed = (cwire_ws_deflate){0};
  for (uint32_t next = 0;
       cwire_http1_next_line(response, CWIRE_FIELD_SEC_WEBSOCKET_EXTENSIONS, &next, &value);) {
    while (next_part(&value, ',', &extension)) {
      parameters answer;
      if (extension.length == 0) continue;
      if (agreed->on || !read_extension(extension, &answer)) return false;
      /* It was asked for, so an answer without it would be to another offer. */
      if (!answer.server_no_context_takeover) return false;
      if (answer.has_client_bits && answer.client_bits == 0) return false;
      *agreed = (cwire_ws_deflate){
          .on = true,
          .server_bits = answer.has_server_bits ? answer.server_bits : 15,
          .client_bits = answer.has_client_bits ? answer.client_bits : 15,
          .names_server_bits = answer.has_server_bits,
          .names_client_bits = answer.has_client_bits,
      };
    }
  }
  return true;
}
