#include "jsonrpc_rules.h"

const cwire_mcp_table *const cwire_jsonrpc_tables[] = {
    [CWIRE_JSONRPC_LEVEL_TOP] = &cwire_mcp_top_table,
    [CWIRE_JSONRPC_LEVEL_PARAMS] = &cwire_mcp_param_table,
    [CWIRE_JSONRPC_LEVEL_RESULT] = &cwire_mcp_result_table,
    [CWIRE_JSONRPC_LEVEL_ERROR] = &cwire_mcp_error_table,
    [CWIRE_JSONRPC_LEVEL_META] = &cwire_mcp_meta_table,
};

int cwire_jsonrpc_escaped_key_code(cwire_jsonrpc_level level, cwire_span key) {
  uint8_t text[64]; /* longer than every known name */
  size_t length = cwire_json_unescape(key, text, sizeof text);
  if (length == SIZE_MAX) return -1;
  return cwire_mcp_find(cwire_jsonrpc_tables[level], cwire_span_make(text, length));
}

bool cwire_jsonrpc_is_version(cwire_span value) {
  static const char plain[] = "\"2.0\"";
  cwire_span text;
  bool escaped;
  if (value.length == sizeof plain - 1 && memcmp(value.base, plain, sizeof plain - 1) == 0) {
    return true;
  }
  return cwire_json_string(value, &text, &escaped) &&
         cwire_json_key_equal(text, escaped, cwire_span_text("2.0"));
}

cwire_jsonrpc_reason cwire_jsonrpc_reason_of(cwire_json_status status) {
  switch (status) {
  case CWIRE_JSON_TRUNCATED:
    return CWIRE_JSONRPC_REASON_TRUNCATED;
  case CWIRE_JSON_CONTROL:
    return CWIRE_JSONRPC_REASON_CONTROL;
  case CWIRE_JSON_UTF8:
    return CWIRE_JSONRPC_REASON_UTF8;
  case CWIRE_JSON_ESCAPE:
    return CWIRE_JSONRPC_REASON_ESCAPE;
  case CWIRE_JSON_NUMBER:
    return CWIRE_JSONRPC_REASON_NUMBER;
  case CWIRE_JSON_TOO_DEEP:
    return CWIRE_JSONRPC_REASON_TOO_DEEP;
  case CWIRE_JSON_TRAILING:
    return CWIRE_JSONRPC_REASON_TRAILING;
  case CWIRE_JSON_OK:
  case CWIRE_JSON_END:
  case CWIRE_JSON_SYNTAX:
    break;
  }
  return CWIRE_JSONRPC_REASON_SYNTAX;
}

cwire_jsonrpc_status cwire_jsonrpc_status_of(cwire_jsonrpc_reason reason) {
  if (reason == CWIRE_JSONRPC_REASON_NONE) return CWIRE_JSONRPC_OK;
  return reason < CWIRE_JSONRPC_REASON_TOO_DEEP ? CWIRE_JSONRPC_PARSE_ERROR
                                                : CWIRE_JSONRPC_INVALID_REQUEST;
}

const char *cwire_jsonrpc_reason_text(cwire_jsonrpc_reason reason) {
  switch (reason) {
  case CWIRE_JSONRPC_REASON_NONE:
    return "no fault";
  case CWIRE_JSONRPC_REASON_TRUNCATED:
    return "the message ends early";
  case CWIRE_JSONRPC_REASON_SYNTAX:
    return "not JSON";
  case CWIRE_JSONRPC_REASON_CONTROL:
    return "a control character in a string";
  case CWIRE_JSONRPC_REASON_UTF8:
    return "not UTF-8";
  case CWIRE_JSONRPC_REASON_ESCAPE:
    return "an unknown escape in a string";
  case CWIRE_JSONRPC_REASON_NUMBER:
    return "a malformed number";
  case CWIRE_JSONRPC_REASON_TRAILING:
    return "more than one JSON value";
  case CWIRE_JSONRPC_REASON_TOO_DEEP:
    return "nested too deeply";
  case CWIRE_JSONRPC_REASON_TOO_LONG:
    return "the message is too long";
  case CWIRE_JSONRPC_REASON_NOT_AN_OBJECT:
    return "the message is not an object";
  case CWIRE_JSONRPC_REASON_VERSION:
    return "jsonrpc must be \"2.0\"";
  case CWIRE_JSONRPC_REASON_ID:
    return "id must be a string or an integer";
  case CWIRE_JSONRPC_REASON_ID_ABSENT:
    return "a result needs an id";
  case CWIRE_JSONRPC_REASON_METHOD:
    return "method must be a string";
  case CWIRE_JSONRPC_REASON_PARAMS:
    return "params must be an object or an array";
  case CWIRE_JSONRPC_REASON_ERROR:
    return "error must be an object with an integer code";
  case CWIRE_JSONRPC_REASON_EMPTY:
    return "neither method nor result nor error";
  case CWIRE_JSONRPC_REASON_AMBIGUOUS:
    return "members that do not belong together";
  case CWIRE_JSONRPC_REASON_DUPLICATE:
    return "a member occurs twice";
  case CWIRE_JSONRPC_REASON_NAME_LENGTH:
    return "id and progressToken may have 1,024 bytes";
  case CWIRE_JSONRPC_REASON_NOT_A_RESPONSE:
    return "not a response";
  case CWIRE_JSONRPC_REASON_RESULT_TYPE:
    return "a result of a type that must not pass";
  }
  return "unknown";
}
