#include "cwire/jsonrpc.h"

#include "json_reader.h"
#include "jsonrpc_rules.h"

typedef struct scanner {
  cwire_json_reader reader;
  cwire_jsonrpc_envelope *envelope;
  unsigned max_depth;
  uint32_t top_found;
} scanner;

static const uint8_t *scan_object(scanner *scan, const uint8_t *next, cwire_jsonrpc_level level,
                                  unsigned depth);

/* Notes the first thing that makes the message an invalid request. The scan goes on, to find the
 * id. */
static void refuse(scanner *scan, cwire_jsonrpc_reason reason, const uint8_t *place) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  if (envelope->reason != CWIRE_JSONRPC_REASON_NONE) return;
  envelope->reason = reason;
  envelope->fault = (size_t)(place - envelope->message.base);
}

/* Where the members of an object are noted. */
typedef struct notes {
  uint32_t *found;
  cwire_jsonrpc_slot *slots; /* NULL for the message itself */
} notes;

static notes notes_of(scanner *scan, cwire_jsonrpc_level level) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  switch (level) {
  case CWIRE_JSONRPC_LEVEL_PARAMS:
    return (notes){&envelope->params_found, envelope->params_slots};
  case CWIRE_JSONRPC_LEVEL_RESULT:
    return (notes){&envelope->result_found, envelope->result_slots};
  case CWIRE_JSONRPC_LEVEL_ERROR:
    return (notes){&envelope->error_found, envelope->error_slots};
  case CWIRE_JSONRPC_LEVEL_META:
    return (notes){&envelope->meta_found, envelope->meta_slots};
  case CWIRE_JSONRPC_LEVEL_TOP:
    break;
  }
  return (notes){&scan->top_found, NULL};
}

/* The level of the object that is the value of this member, if its members are recognised. */
static bool descends(cwire_jsonrpc_level level, int code, cwire_jsonrpc_level *inner) {
  if (code < 0) return false;
  if (level == CWIRE_JSONRPC_LEVEL_TOP) {
    *inner = code == CWIRE_MCP_TOP_PARAMS   ? CWIRE_JSONRPC_LEVEL_PARAMS
             : code == CWIRE_MCP_TOP_RESULT ? CWIRE_JSONRPC_LEVEL_RESULT
                                            : CWIRE_JSONRPC_LEVEL_ERROR;
    return code == CWIRE_MCP_TOP_PARAMS || code == CWIRE_MCP_TOP_RESULT ||
           code == CWIRE_MCP_TOP_ERROR;
  }
  *inner = CWIRE_JSONRPC_LEVEL_META;
  return (level == CWIRE_JSONRPC_LEVEL_PARAMS && code == CWIRE_MCP_PARAM_META) ||
         (level == CWIRE_JSONRPC_LEVEL_RESULT && code == CWIRE_MCP_RESULT_META);
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

static void note_method(scanner *scan, cwire_span value, bool escaped) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  if (value.base[0] != '"') {
    refuse(scan, CWIRE_JSONRPC_REASON_METHOD, value.base);
    return;
  }
  cwire_span name = cwire_span_make(value.base + 1, value.length - 2);
  envelope->method = name;
  envelope->method_escaped = escaped;
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

/* `escaped`: the value is a string with escapes. */
static void note_top(scanner *scan, cwire_mcp_top code, cwire_span value, bool escaped) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  switch (code) {
  case CWIRE_MCP_TOP_JSONRPC:
    if (!cwire_jsonrpc_is_version(value)) refuse(scan, CWIRE_JSONRPC_REASON_VERSION, value.base);
    break;
  case CWIRE_MCP_TOP_ID:
    note_id(scan, value);
    break;
  case CWIRE_MCP_TOP_METHOD:
    note_method(scan, value, escaped);
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

/* The value of a member, whose first byte is `first`. `*escaped` becomes true when it is a string
 * with escapes. */
static const uint8_t *scan_value(scanner *scan, const uint8_t *next, uint8_t first,
                                 cwire_jsonrpc_level level, int code, unsigned depth,
                                 bool *escaped) {
  cwire_jsonrpc_level inner;
  switch (first) {
  case '"':
    return cwire_json_read_string(&scan->reader, next + 1, escaped);
  case '{':
    if (descends(level, code, &inner)) return scan_object(scan, next + 1, inner, depth + 1);
    /* fall through */
  case '[':
    return cwire_json_read_value(&scan->reader, next, scan->max_depth - depth);
  default:
    return cwire_json_read_plain(&scan->reader, next);
  }
}

/* One member whose key's opening quote should come at or after `next`. */
static const uint8_t *scan_member(scanner *scan, const uint8_t *next, cwire_jsonrpc_level level,
                                  unsigned depth, notes notes) {
  cwire_json_reader *reader = &scan->reader;
  const uint8_t *base = scan->envelope->message.base;
  if (cwire_json_seek(reader, &next) != '"') return cwire_json_unexpected(reader, next);
  const uint8_t *key = next + 1;
  bool key_escaped = false, escaped = false;
  next = cwire_json_read_string(reader, key, &key_escaped);
  if (next == NULL) return NULL;
  cwire_span name = cwire_span_make(key, (size_t)(next - key) - 1);
  int code = cwire_jsonrpc_key_code(level, name, key_escaped);
  if (code >= 0 && (*notes.found >> code & 1u) != 0) {
    refuse(scan, CWIRE_JSONRPC_REASON_DUPLICATE, key - 1);
    code = -1;
  }
  /* The keys of a message show its kind before their values are there; a slot counts once it is
   * filled. */
  if (code >= 0 && level == CWIRE_JSONRPC_LEVEL_TOP) *notes.found |= (uint32_t)1 << code;

  if (cwire_json_seek(reader, &next) != ':') return cwire_json_unexpected(reader, next);
  const uint8_t *value = next + 1;
  uint8_t first = cwire_json_seek(reader, &value);
  next = scan_value(scan, value, first, level, code, depth, &escaped);
  if (next == NULL || code < 0) return next;
  if (level == CWIRE_JSONRPC_LEVEL_TOP) {
    cwire_span token = cwire_span_make(value, (size_t)(next - value));
    note_top(scan, (cwire_mcp_top)code, token, escaped);
    return next;
  }
  notes.slots[code] = (cwire_jsonrpc_slot){
      .key = (uint32_t)(key - base),
      .key_length = (uint32_t)name.length | (uint32_t)key_escaped << 31,
      .value = (uint32_t)(value - base),
      .value_length = (uint32_t)(next - value),
  };
  *notes.found |= (uint32_t)1 << code;
  return next;
}

/* The members of an object whose brace is just before `next`; it is `depth` deep. */
static const uint8_t *scan_object(scanner *scan, const uint8_t *next, cwire_jsonrpc_level level,
                                  unsigned depth) {
  cwire_json_reader *reader = &scan->reader;
  if (depth > scan->max_depth) return cwire_json_fail(reader, CWIRE_JSON_TOO_DEEP, next - 1);
  if (cwire_json_seek(reader, &next) == '}') return next + 1;
  notes notes = notes_of(scan, level);
  for (;;) {
    next = scan_member(scan, next, level, depth, notes);
    if (next == NULL) return NULL;
    uint8_t byte = cwire_json_seek(reader, &next);
    if (byte == '}') return next + 1;
    if (byte != ',') return cwire_json_unexpected(reader, next);
    next++;
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

/* What the peer chose to call a message or its progress by, and gets back later. */
static void judge_names(scanner *scan) {
  cwire_jsonrpc_envelope *envelope = scan->envelope;
  cwire_span token = cwire_jsonrpc_meta(envelope, CWIRE_MCP_META_PROGRESS_TOKEN).value;
  if (token.length > CWIRE_JSONRPC_NAME_MAX) {
    refuse(scan, CWIRE_JSONRPC_REASON_NAME_LENGTH, token.base);
  }
  if (envelope->id.length > CWIRE_JSONRPC_NAME_MAX) {
    refuse(scan, CWIRE_JSONRPC_REASON_NAME_LENGTH, envelope->id.base);
    /* Nor is it said back. */
    envelope->id_kind = CWIRE_JSONRPC_ID_OTHER;
  }
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
  /* Params in a response would bring a second _meta, and only one is noted. */
  bool response = body != 0 && (body >> CWIRE_MCP_TOP_METHOD & 1u) == 0;
  bool mixed = response && (scan->top_found >> CWIRE_MCP_TOP_PARAMS & 1u) != 0;
  if ((body & (body - 1)) != 0 || mixed) refuse(scan, CWIRE_JSONRPC_REASON_AMBIGUOUS, end);
  if (envelope->kind == CWIRE_JSONRPC_RESULT && envelope->id_kind == CWIRE_JSONRPC_ID_ABSENT) {
    refuse(scan, CWIRE_JSONRPC_REASON_ID_ABSENT, end);
  }
  if (envelope->kind != CWIRE_JSONRPC_ERROR && envelope->id_kind == CWIRE_JSONRPC_ID_NULL) {
    refuse(scan, CWIRE_JSONRPC_REASON_ID, envelope->id.base);
  }
  judge_names(scan);
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
  const uint8_t *next = envelope->message.base;
  uint8_t first = cwire_json_seek(reader, &next);
  if (first == '{') {
    next = scan_object(scan, next + 1, CWIRE_JSONRPC_LEVEL_TOP, 1);
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
    envelope->reason = cwire_jsonrpc_reason_of(scan.reader.status);
    envelope->fault = (size_t)(scan.reader.fault - message.base);
    return cwire_jsonrpc_status_of(envelope->reason);
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
  envelope->reason = cwire_jsonrpc_reason_of(scan.reader.status);
  envelope->fault = (size_t)(scan.reader.fault - part.base);
  if (envelope->reason != CWIRE_JSONRPC_REASON_TRUNCATED) return CWIRE_JSONRPC_INVALID;
  if (envelope->id.base != NULL && envelope->id.base + envelope->id.length == scan.reader.end) {
    /* More of a number may follow; of any other token nothing can, but it will be there next time
     * too. */
    envelope->id = cwire_span_make(NULL, 0);
    envelope->id_kind = CWIRE_JSONRPC_ID_ABSENT;
  }
  envelope->kind = kind_of(&scan);
  return envelope->kind;
}
