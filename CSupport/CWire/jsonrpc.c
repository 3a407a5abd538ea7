#include "cwire/jsonrpc.h"

#include "json_reader.h"

/* The objects whose members are recognised. */
typedef enum object_level {
  LEVEL_TOP,
  LEVEL_PARAMS,
  LEVEL_RESULT,
  LEVEL_ERROR,
  LEVEL_META
} object_level;

typedef struct scanner {
  cwire_json_reader reader;
  cwire_jsonrpc_envelope *envelope;
  unsigned max_depth;
  uint32_t top_found;
} scanner;

static const uint8_t *scan_object(scanner *scan, const uint8_t *next, object_level level,
                                  unsigned depth);

/* Notes the first thing that makes the message an invalid request. The scan goes on, to find the
 * id. */
static void refuse(scanner *scan, cwire_jsonrpc_reason reason, const uint8_t *place) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  if (envelope->reason != CWIRE_JSONRPC_REASON_NONE) return;
  envelope->reason = reason;
  envelope->fault = (size_t)(place - envelope->message.base);
}

static int name_code(object_level level, cwire_span key) {
  switch (level) {
  case LEVEL_TOP:
    return cwire_mcp_top_code(key);
  case LEVEL_PARAMS:
    return cwire_mcp_param_code(key);
  case LEVEL_RESULT:
    return cwire_mcp_result_code(key);
  case LEVEL_ERROR:
    return cwire_mcp_error_code(key);
  case LEVEL_META:
    return cwire_mcp_meta_code(key);
  }
  return -1;
}

static int key_code(object_level level, cwire_span key, bool escaped) {
  if (!escaped) return name_code(level, key);
  uint8_t text[64]; /* longer than every known name */
  size_t length = cwire_json_unescape(key, text, sizeof text);
  return length == SIZE_MAX ? -1 : name_code(level, cwire_span_make(text, length));
}

/* Where members of a level are noted. NULL for the message itself. */
static uint32_t *found_mask(scanner *scan, object_level level, cwire_jsonrpc_slot **slots) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  switch (level) {
  case LEVEL_PARAMS:
    *slots = envelope->params_slots;
    return &envelope->params_found;
  case LEVEL_RESULT:
    *slots = envelope->result_slots;
    return &envelope->result_found;
  case LEVEL_ERROR:
    *slots = envelope->error_slots;
    return &envelope->error_found;
  case LEVEL_META:
    *slots = envelope->meta_slots;
    return &envelope->meta_found;
  case LEVEL_TOP:
    break;
  }
  *slots = NULL;
  return &scan->top_found;
}

/* The level of the object that is the value of this member, if its members are recognised. */
static bool descends(object_level level, int code, object_level *inner) {
  if (code < 0) return false;
  if (level == LEVEL_TOP) {
    *inner = code == CWIRE_MCP_TOP_PARAMS   ? LEVEL_PARAMS
             : code == CWIRE_MCP_TOP_RESULT ? LEVEL_RESULT
                                            : LEVEL_ERROR;
    return code == CWIRE_MCP_TOP_PARAMS || code == CWIRE_MCP_TOP_RESULT ||
           code == CWIRE_MCP_TOP_ERROR;
  }
  *inner = LEVEL_META;
  return (level == LEVEL_PARAMS && code == CWIRE_MCP_PARAM_META) ||
         (level == LEVEL_RESULT && code == CWIRE_MCP_RESULT_META);
}

static void note_id(scanner *scan, cwire_span value) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  envelope->id = value;
  switch (cwire_json_kind_of(value)) {
  case CWIRE_JSON_STRING:
    envelope->id_kind = CWIRE_JSONRPC_ID_STRING;
    break;
  case CWIRE_JSON_INTEGER:
    envelope->id_kind = CWIRE_JSONRPC_ID_INTEGER;
    break;
  case CWIRE_JSON_NULL:
    envelope->id_kind = CWIRE_JSONRPC_ID_NULL;
    break;
  default:
    envelope->id_kind = CWIRE_JSONRPC_ID_OTHER;
    refuse(scan, CWIRE_JSONRPC_REASON_ID, value.base);
  }
}

static void note_method(scanner *scan, cwire_span value) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  if (!cwire_json_string(value, &envelope->method, &envelope->method_escaped)) {
    refuse(scan, CWIRE_JSONRPC_REASON_METHOD, value.base);
    return;
  }
  cwire_span name = envelope->method;
  uint8_t text[64];
  if (envelope->method_escaped) {
    size_t length = cwire_json_unescape(name, text, sizeof text);
    name = cwire_span_make(text, length == SIZE_MAX ? 0 : length);
  }
  envelope->method_code = cwire_mcp_method_code(name);
}

/* What lies between the braces of an object; base NULL for any other value. */
static cwire_span inside_of(cwire_span value) {
  if (value.base[0] != '{') return cwire_span_make(NULL, 0);
  return cwire_span_make(value.base + 1, value.length - 2);
}

static void note_top(scanner *scan, cwire_mcp_top code, cwire_span value) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  cwire_span text;
  bool escaped;
  switch (code) {
  case CWIRE_MCP_TOP_JSONRPC:
    if (!cwire_json_string(value, &text, &escaped) ||
        !cwire_json_key_equal(text, escaped, cwire_span_text("2.0"))) {
      refuse(scan, CWIRE_JSONRPC_REASON_VERSION, value.base);
    }
    break;
  case CWIRE_MCP_TOP_ID:
    note_id(scan, value);
    break;
  case CWIRE_MCP_TOP_METHOD:
    note_method(scan, value);
    break;
  case CWIRE_MCP_TOP_PARAMS:
    envelope->params = value;
    envelope->params_inside = inside_of(value);
    if (value.base[0] != '{' && value.base[0] != '[') {
      refuse(scan, CWIRE_JSONRPC_REASON_PARAMS, value.base);
    }
    break;
  case CWIRE_MCP_TOP_RESULT:
    envelope->result = value;
    envelope->result_inside = inside_of(value);
    break;
  case CWIRE_MCP_TOP_ERROR:
    envelope->error = value;
    envelope->error_inside = inside_of(value);
    if (cwire_json_kind_of(cwire_jsonrpc_error(envelope, CWIRE_MCP_ERROR_CODE).value) !=
        CWIRE_JSON_INTEGER) {
      refuse(scan, CWIRE_JSONRPC_REASON_ERROR, value.base);
    }
    break;
  case CWIRE_MCP_TOP_COUNT:
    break;
  }
}

/* One member whose key's opening quote should be at `next`. */
static const uint8_t *scan_member(scanner *scan, const uint8_t *next, object_level level,
                                  unsigned depth) {
  cwire_json_reader *reader = &scan->reader;
  const uint8_t *base = scan->envelope->message.base;
  if (cwire_json_peek(reader, next) != '"') return cwire_json_unexpected(reader, next);
  const uint8_t *key = next + 1;
  bool escaped = false;
  next = cwire_json_read_string(reader, key, &escaped);
  if (next == NULL) return NULL;
  cwire_span name = cwire_span_make(key, (size_t)(next - key) - 1);
  int code = key_code(level, name, escaped);
  cwire_jsonrpc_slot *slots;
  uint32_t *found = found_mask(scan, level, &slots);
  if (code >= 0 && (*found >> code & 1u) != 0) {
    refuse(scan, CWIRE_JSONRPC_REASON_DUPLICATE, key - 1);
    code = -1;
  }
  /* The keys of a message show its kind before their values are there; a slot counts once it is
   * filled. */
  if (code >= 0 && level == LEVEL_TOP) *found |= (uint32_t)1 << code;

  next = cwire_json_skip_space(next, reader->end);
  if (cwire_json_peek(reader, next) != ':') return cwire_json_unexpected(reader, next);
  const uint8_t *value = cwire_json_skip_space(next + 1, reader->end);
  object_level inner;
  if (cwire_json_peek(reader, value) == '{' && descends(level, code, &inner)) {
    next = scan_object(scan, value + 1, inner, depth + 1);
  } else {
    next = cwire_json_read_value(reader, value, scan->max_depth - depth);
  }
  if (next == NULL || code < 0) return next;
  if (level == LEVEL_TOP) {
    note_top(scan, (cwire_mcp_top)code, cwire_span_make(value, (size_t)(next - value)));
    return next;
  }
  slots[code] = (cwire_jsonrpc_slot){
      .key = (uint32_t)(key - base),
      .key_length = (uint32_t)name.length | (uint32_t)escaped << 31,
      .value = (uint32_t)(value - base),
      .value_length = (uint32_t)(next - value),
  };
  *found |= (uint32_t)1 << code;
  return next;
}

/* The members of an object whose brace is just before `next`; it is `depth` deep. */
static const uint8_t *scan_object(scanner *scan, const uint8_t *next, object_level level,
                                  unsigned depth) {
  cwire_json_reader *reader = &scan->reader;
  if (depth > scan->max_depth) return cwire_json_fail(reader, CWIRE_JSON_TOO_DEEP, next - 1);
  next = cwire_json_skip_space(next, reader->end);
  if (cwire_json_peek(reader, next) == '}') return next + 1;
  for (;;) {
    next = scan_member(scan, next, level, depth);
    if (next == NULL) return NULL;
    next = cwire_json_skip_space(next, reader->end);
    uint8_t byte = cwire_json_peek(reader, next);
    if (byte == '}') return next + 1;
    if (byte != ',') return cwire_json_unexpected(reader, next);
    next = cwire_json_skip_space(next + 1, reader->end);
  }
}

/* The kind that the top-level keys make it, whether or not all of its rules are kept. */
static cwire_jsonrpc_kind kind_of(const scanner *scan) {
  if ((scan->top_found >> CWIRE_MCP_TOP_METHOD & 1u) != 0) {
    bool has_id = scan->envelope->id_kind != CWIRE_JSONRPC_ID_ABSENT;
    return has_id ? CWIRE_JSONRPC_REQUEST : CWIRE_JSONRPC_NOTIFICATION;
  }
  if ((scan->top_found >> CWIRE_MCP_TOP_RESULT & 1u) != 0) return CWIRE_JSONRPC_RESULT;
  if ((scan->top_found >> CWIRE_MCP_TOP_ERROR & 1u) != 0) return CWIRE_JSONRPC_ERROR;
  return CWIRE_JSONRPC_INVALID;
}

/* The rules that need all members of the message. */
static void judge(scanner *scan) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  const uint8_t *end = scan->reader.end;
  const uint32_t bodies = (uint32_t)1 << CWIRE_MCP_TOP_METHOD |
                          (uint32_t)1 << CWIRE_MCP_TOP_RESULT | (uint32_t)1 << CWIRE_MCP_TOP_ERROR;
  uint32_t body = scan->top_found & bodies;
  envelope->kind = kind_of(scan);
  if ((scan->top_found >> CWIRE_MCP_TOP_JSONRPC & 1u) == 0) {
    refuse(scan, CWIRE_JSONRPC_REASON_VERSION, end);
  }
  if (body == 0) refuse(scan, CWIRE_JSONRPC_REASON_EMPTY, end);
  if ((body & (body - 1)) != 0) refuse(scan, CWIRE_JSONRPC_REASON_AMBIGUOUS, end);
  if (envelope->kind == CWIRE_JSONRPC_RESULT && envelope->id_kind == CWIRE_JSONRPC_ID_ABSENT) {
    refuse(scan, CWIRE_JSONRPC_REASON_ID_ABSENT, end);
  }
  if (envelope->kind != CWIRE_JSONRPC_ERROR && envelope->id_kind == CWIRE_JSONRPC_ID_NULL) {
    refuse(scan, CWIRE_JSONRPC_REASON_ID, envelope->id.base);
  }
}

static cwire_jsonrpc_reason reason_of(cwire_json_status status) {
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

static void begin(scanner *scan, cwire_jsonrpc_envelope *envelope, cwire_span message,
                  unsigned max_depth) {
  /* The slots count only where their bits are set, so only the fields before them are cleared. */
  memset(envelope, 0, offsetof(cwire_jsonrpc_envelope, params_slots));
  envelope->message = message;
  *scan = (scanner){
      .reader = {.end = message.base + message.length},
      .envelope = envelope,
      .max_depth = max_depth < CWIRE_JSON_DEPTH_MAX ? max_depth : CWIRE_JSON_DEPTH_MAX,
  };
}

/* Reads the one value that the message is; false, with the reader's status set, when it is
 * malformed. */
static bool read_message(scanner *scan) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  cwire_json_reader *reader = &scan->reader;
  const uint8_t *next = cwire_json_skip_space(envelope->message.base, reader->end);
  uint8_t first = cwire_json_peek(reader, next);
  if (first == '{') {
    next = scan_object(scan, next + 1, LEVEL_TOP, 1);
  } else {
    next = cwire_json_read_value(reader, next, scan->max_depth);
    envelope->kind = first == '[' ? CWIRE_JSONRPC_BATCH : CWIRE_JSONRPC_INVALID;
  }
  if (next == NULL) return false;
  next = cwire_json_skip_space(next, reader->end);
  if (next != reader->end) {
    cwire_json_fail(reader, CWIRE_JSON_TRAILING, next);
    return false;
  }
  if (first == '{') {
    judge(scan);
  } else if (first != '[') {
    refuse(scan, CWIRE_JSONRPC_REASON_NOT_AN_OBJECT, envelope->message.base);
  }
  return true;
}

cwire_jsonrpc_status cwire_jsonrpc_scan(cwire_jsonrpc_envelope *envelope, cwire_span message,
                                        unsigned max_depth) {
  scanner scan;
  if (message.base == NULL) message = cwire_span_text("");
  begin(&scan, envelope, message, max_depth);
  if (message.length > UINT32_MAX >> 1) {
    refuse(&scan, CWIRE_JSONRPC_REASON_TOO_LONG, message.base);
    return CWIRE_JSONRPC_INVALID_REQUEST;
  }
  if (!read_message(&scan)) {
    envelope->kind = CWIRE_JSONRPC_INVALID;
    envelope->reason = reason_of(scan.reader.status);
    envelope->fault = (size_t)(scan.reader.fault - message.base);
    return envelope->reason == CWIRE_JSONRPC_REASON_TOO_DEEP ? CWIRE_JSONRPC_INVALID_REQUEST
                                                             : CWIRE_JSONRPC_PARSE_ERROR;
  }
  if (envelope->reason == CWIRE_JSONRPC_REASON_NONE) return CWIRE_JSONRPC_OK;
  envelope->kind = CWIRE_JSONRPC_INVALID;
  return CWIRE_JSONRPC_INVALID_REQUEST;
}

cwire_jsonrpc_kind cwire_jsonrpc_peek(cwire_jsonrpc_envelope *envelope, cwire_span part,
                                      unsigned max_depth) {
  scanner scan;
  if (part.base == NULL) part = cwire_span_text("");
  begin(&scan, envelope, part, max_depth);
  if (read_message(&scan)) return envelope->kind;
  envelope->reason = reason_of(scan.reader.status);
  envelope->fault = (size_t)(scan.reader.fault - part.base);
  if (envelope->reason != CWIRE_JSONRPC_REASON_TRUNCATED) return CWIRE_JSONRPC_INVALID;
  if (envelope->id.base != NULL && envelope->id.base + envelope->id.length == scan.reader.end) {
    /* More of a number may follow; of any other token nothing can, but it will be there next time
     * too. */
    envelope->id = cwire_span_make(NULL, 0);
    envelope->id_kind = CWIRE_JSONRPC_ID_ABSENT;
  }
  return kind_of(&scan);
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
    return "more than one of method, result and error";
  case CWIRE_JSONRPC_REASON_DUPLICATE:
    return "a member occurs twice";
  }
  return "unknown";
}
