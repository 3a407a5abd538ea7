#ifndef CWIRE_JSONRPC_H
#define CWIRE_JSONRPC_H

#include "cwire/json.h"
#include "cwire/mcp_names.h"

/* The JSON-RPC 2.0 envelope of one complete message, found in one pass over its bytes. The whole
 * message is validated; what the gateway reads is pointed at, the rest is skipped raw. Spans point
 * into the message, which must outlive the envelope. Nothing allocates, nothing is kept. Any
 * thread. */

/* What is wrong, as the JSON-RPC error code to answer with. */
typedef enum cwire_jsonrpc_status {
  CWIRE_JSONRPC_OK = 0,
  CWIRE_JSONRPC_PARSE_ERROR = -32700,
  CWIRE_JSONRPC_INVALID_REQUEST = -32600,
} cwire_jsonrpc_status;

typedef enum cwire_jsonrpc_reason {
  CWIRE_JSONRPC_REASON_NONE = 0,
  /* Parse errors. */
  CWIRE_JSONRPC_REASON_TRUNCATED,
  CWIRE_JSONRPC_REASON_SYNTAX,
  CWIRE_JSONRPC_REASON_CONTROL,
  CWIRE_JSONRPC_REASON_UTF8,
  CWIRE_JSONRPC_REASON_ESCAPE,
  CWIRE_JSONRPC_REASON_NUMBER,
  CWIRE_JSONRPC_REASON_TRAILING,
  /* Invalid requests. */
  CWIRE_JSONRPC_REASON_TOO_DEEP,
  CWIRE_JSONRPC_REASON_TOO_LONG, /* 2 GiB or more */
  CWIRE_JSONRPC_REASON_NOT_AN_OBJECT,
  CWIRE_JSONRPC_REASON_VERSION, /* `jsonrpc` is absent or is not "2.0" */
  CWIRE_JSONRPC_REASON_ID,      /* neither string nor integer; or null where that is not allowed */
  CWIRE_JSONRPC_REASON_ID_ABSENT,   /* a result without an id */
  CWIRE_JSONRPC_REASON_METHOD,      /* not a string */
  CWIRE_JSONRPC_REASON_PARAMS,      /* neither object nor array */
  CWIRE_JSONRPC_REASON_ERROR,       /* `error` is not an object with an integer `code` */
  CWIRE_JSONRPC_REASON_EMPTY,       /* neither method nor result nor error */
  CWIRE_JSONRPC_REASON_AMBIGUOUS,   /* two of method, result and error, or params in a response */
  CWIRE_JSONRPC_REASON_DUPLICATE,   /* a recognised key twice in one object */
  CWIRE_JSONRPC_REASON_NAME_LENGTH, /* an id or a progress token above the length below */
  CWIRE_JSONRPC_REASON_NOT_A_RESPONSE, /* a request where only a response may stand */
  CWIRE_JSONRPC_REASON_RESULT_TYPE,    /* a resultType that is not to pass */
} cwire_jsonrpc_reason;

/* The longest token of an id or of a progress token: whoever answers has to keep them. */
enum { CWIRE_JSONRPC_NAME_MAX = 1024 };

typedef enum cwire_jsonrpc_kind {
  CWIRE_JSONRPC_INVALID = 0,
  CWIRE_JSONRPC_REQUEST,
  CWIRE_JSONRPC_NOTIFICATION,
  CWIRE_JSONRPC_RESULT,
  CWIRE_JSONRPC_ERROR,
  CWIRE_JSONRPC_BATCH, /* a top-level array, validated but not descended: step over it with
                          cwire_json_iterate */
} cwire_jsonrpc_kind;

typedef enum cwire_jsonrpc_id_kind {
  CWIRE_JSONRPC_ID_ABSENT = 0,
  CWIRE_JSONRPC_ID_STRING,
  CWIRE_JSONRPC_ID_INTEGER, /* no fraction, no exponent, any length */
  CWIRE_JSONRPC_ID_NULL,
  CWIRE_JSONRPC_ID_OTHER, /* an invalid one; `id` holds the token */
} cwire_jsonrpc_id_kind;

/* Where a recognised member lies, as offsets into the message: read it with the accessors below. */
typedef struct cwire_jsonrpc_slot {
  uint32_t key;
  uint32_t key_length; /* the top bit says that the key has escapes */
  uint32_t value;
  uint32_t value_length;
} cwire_jsonrpc_slot;

typedef struct cwire_jsonrpc_envelope {
  cwire_span message;
  cwire_jsonrpc_kind kind;
  cwire_jsonrpc_reason reason;
  size_t fault; /* offset that the reason is about */

  cwire_jsonrpc_id_kind id_kind;
  cwire_mcp_method
      method_code; /* CWIRE_MCP_METHOD_NONE without a method, _OTHER for an unknown one */
  bool method_escaped;
  cwire_span id;     /* the raw token, a string's quotes included; base NULL when absent */
  cwire_span method; /* raw contents without the quotes; base NULL when absent */
  cwire_span params; /* raw values; base NULL when absent */
  cwire_span result;
  cwire_span error;
  cwire_span params_inside; /* between the braces; base NULL when the value is no object */
  cwire_span result_inside;
  cwire_span error_inside;

  /* Bit n: slot n is filled. `meta` is the `_meta` of params or of result, whichever the message
   * has. */
  uint32_t params_found;
  uint32_t result_found;
  uint32_t meta_found;
  uint32_t error_found;
  cwire_jsonrpc_slot params_slots[CWIRE_MCP_PARAM_COUNT];
  cwire_jsonrpc_slot result_slots[CWIRE_MCP_RESULT_COUNT];
  cwire_jsonrpc_slot meta_slots[CWIRE_MCP_META_COUNT];
  cwire_jsonrpc_slot error_slots[CWIRE_MCP_ERROR_COUNT];
} cwire_jsonrpc_envelope;

/* Scans one whole message. On a failure `reason` and `fault` say why, `kind` is INVALID, and `id`,
 * `method` and the rest are what was read: an invalid request is scanned to its end, so that its id
 * is filled wherever it stands. Keys compare after unescaping. Every recognised key may come once
 * in its object; unknown ones are not looked at. */
cwire_jsonrpc_status cwire_jsonrpc_scan(cwire_jsonrpc_envelope *envelope, cwire_span message,
                                        unsigned max_depth);

/* Scans the first part of a message whose rest has not arrived: fills `id` and `method` if their
 * tokens are wholly there, and returns REQUEST, NOTIFICATION (a method was seen, no id yet: it may
 * still become a request), RESULT or ERROR as soon as the key that decides has come, else INVALID.
 * CWIRE_JSONRPC_INVALID too once the part is malformed; then `reason` is not TRUNCATED. */
cwire_jsonrpc_kind cwire_jsonrpc_peek(cwire_jsonrpc_envelope *envelope, cwire_span part,
                                      unsigned max_depth);

/* A short English phrase for the reason, for the error's `message` and the log. Static. */
const char *cwire_jsonrpc_reason_text(cwire_jsonrpc_reason reason);

/* The member in a slot; every base is NULL when it was absent. */
static inline cwire_json_member
cwire_jsonrpc_slot_member(cwire_span message, const cwire_jsonrpc_slot *slot, bool found) {
  cwire_json_member member = {0};
  if (!found) return member;
  uint32_t key_length = slot->key_length & 0x7fffffffu;
  member.key = cwire_span_make(message.base + slot->key, key_length);
  member.value = cwire_span_make(message.base + slot->value, slot->value_length);
  member.extent = cwire_span_make(message.base + slot->key - 1,
                                  (size_t)slot->value + slot->value_length - slot->key + 1);
  member.key_escaped = (slot->key_length >> 31) != 0;
  return member;
}

/* A direct member of `params`, of the `_meta` in params or result, of `result`, of `error`. */
static inline cwire_json_member cwire_jsonrpc_param(const cwire_jsonrpc_envelope *envelope,
                                                    cwire_mcp_param name) {
  return cwire_jsonrpc_slot_member(envelope->message, &envelope->params_slots[name],
                                   (envelope->params_found >> name & 1u) != 0);
}
static inline cwire_json_member cwire_jsonrpc_meta(const cwire_jsonrpc_envelope *envelope,
                                                   cwire_mcp_meta name) {
  return cwire_jsonrpc_slot_member(envelope->message, &envelope->meta_slots[name],
                                   (envelope->meta_found >> name & 1u) != 0);
}
static inline cwire_json_member cwire_jsonrpc_result(const cwire_jsonrpc_envelope *envelope,
                                                     cwire_mcp_result name) {
  return cwire_jsonrpc_slot_member(envelope->message, &envelope->result_slots[name],
                                   (envelope->result_found >> name & 1u) != 0);
}
static inline cwire_json_member cwire_jsonrpc_error(const cwire_jsonrpc_envelope *envelope,
                                                    cwire_mcp_error name) {
  return cwire_jsonrpc_slot_member(envelope->message, &envelope->error_slots[name],
                                   (envelope->error_found >> name & 1u) != 0);
}

#endif
