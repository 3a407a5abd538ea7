#include "cwire/jsonrpc_rewrite.h"

#include "jsonrpc_rules.h"

/* Depths of the objects whose members matter: the message, its result or error, the result's _meta.
 */
enum { DEPTH_TOP = 1, DEPTH_BODY = 2, DEPTH_META = 3 };

void cwire_jsonrpc_rewrite_init(cwire_jsonrpc_rewrite *rewrite,
                                const cwire_jsonrpc_rewrite_options *options) {
  memset(rewrite, 0, offsetof(cwire_jsonrpc_rewrite, hold));
  rewrite->options = *options;
  rewrite->top_code = -1;
  rewrite->body_code = -1;
  cwire_json_lexer_init(&rewrite->lexer, options->max_depth, DEPTH_TOP);
}

/* The first refusal stands; the caller looks at `reason` after each step. */
static void refuse(cwire_jsonrpc_rewrite *rewrite, cwire_jsonrpc_reason reason) {
  if (rewrite->reason != CWIRE_JSONRPC_REASON_NONE) return;
  rewrite->reason = reason;
  rewrite->status = cwire_jsonrpc_status_of(reason);
}

/* Bytes to write before the next step: of the options, of the hold, or static. */
static void queue(cwire_jsonrpc_rewrite *rewrite, cwire_span bytes) {
  if (bytes.length > 0) rewrite->queue[rewrite->queued++] = bytes;
}

static void queue_text(cwire_jsonrpc_rewrite *rewrite, const char *text) {
  queue(rewrite, cwire_span_text(text));
}

/* Writes what is queued; false when the output is full before its end. */
static bool flush(cwire_jsonrpc_rewrite *rewrite, cwire_writer *out) {
  uint8_t done = 0;
  while (done < rewrite->queued) {
    cwire_span *first = &rewrite->queue[done];
    cwire_span part = cwire_span_take(*first, out->capacity - out->length);
    cwire_writer_put_span(out, part);
    *first = cwire_span_drop(*first, part.length);
    if (first->length > 0) break;
    done++;
  }
  rewrite->queued -= done;
  memmove(rewrite->queue, rewrite->queue + done, rewrite->queued * sizeof rewrite->queue[0]);
  return rewrite->queued == 0;
}

/* Writes a piece of the input, for which there is room. */
static void copy(cwire_jsonrpc_rewrite *rewrite, cwire_writer *out, cwire_span piece) {
  uint8_t *to = piece.length == 0 ? NULL : cwire_writer_reserve(out, piece.length);
  if (to == NULL) return;
  if (!rewrite->options.flatten) {
    memcpy(to, piece.base, piece.length);
    return;
  }
  for (size_t index = 0; index < piece.length; index++) {
    uint8_t byte = piece.base[index];
    to[index] = byte == '\n' || byte == '\r' ? ' ' : byte;
  }
}

/* Whether members of the object at this depth come and go, so that their commas are ours to write.
 */
static bool is_edited(const cwire_jsonrpc_rewrite *rewrite, unsigned depth) {
  return depth >= DEPTH_BODY && rewrite->kind == CWIRE_JSONRPC_RESULT;
}

/* Whether the object at this depth already has a member in the output. */
static bool *written_flag(cwire_jsonrpc_rewrite *rewrite, unsigned depth) {
  return depth == DEPTH_META ? &rewrite->meta_written : &rewrite->body_written;
}

static void queue_comma(cwire_jsonrpc_rewrite *rewrite, unsigned depth) {
  bool *written = written_flag(rewrite, depth);
  if (*written) queue_text(rewrite, ",");
  *written = true;
}

static void begin_key(cwire_jsonrpc_rewrite *rewrite) {
  rewrite->key_next = true;
  rewrite->key_too_long = false;
  rewrite->dropping = false;
  rewrite->held = 0;
}

/* Lets the key in the hold go out. */
static void keep_member(cwire_jsonrpc_rewrite *rewrite, unsigned depth) {
  if (is_edited(rewrite, depth)) queue_comma(rewrite, depth);
  queue(rewrite, cwire_span_make(rewrite->hold, rewrite->held));
}

static void note_body(cwire_jsonrpc_rewrite *rewrite, cwire_jsonrpc_kind kind) {
  if (rewrite->kind != CWIRE_JSONRPC_INVALID) {
    refuse(rewrite, CWIRE_JSONRPC_REASON_AMBIGUOUS);
    return;
  }
  rewrite->kind = kind;
  if (kind == CWIRE_JSONRPC_REQUEST) refuse(rewrite, CWIRE_JSONRPC_REASON_NOT_A_RESPONSE);
}

static void end_top_key(cwire_jsonrpc_rewrite *rewrite, int code) {
  rewrite->top_code = (int8_t)code;
  if (code == CWIRE_MCP_TOP_METHOD || code == CWIRE_MCP_TOP_PARAMS) {
    note_body(rewrite, CWIRE_JSONRPC_REQUEST);
  }
  if (code == CWIRE_MCP_TOP_RESULT) note_body(rewrite, CWIRE_JSONRPC_RESULT);
  if (code == CWIRE_MCP_TOP_ERROR) note_body(rewrite, CWIRE_JSONRPC_ERROR);
  bool body = code == CWIRE_MCP_TOP_RESULT || code == CWIRE_MCP_TOP_ERROR;
  rewrite->lexer.watch = body ? DEPTH_BODY : DEPTH_TOP;
}

static void end_body_key(cwire_jsonrpc_rewrite *rewrite, int code) {
  rewrite->body_code = (int8_t)code;
  rewrite->lexer.watch = DEPTH_BODY;
  if (rewrite->kind != CWIRE_JSONRPC_RESULT || code < 0) return;
  rewrite->dropping = (rewrite->options.remove_result >> code & 1u) != 0;
  if (code != CWIRE_MCP_RESULT_META || rewrite->dropping) return;
  rewrite->has_meta = true;
  rewrite->lexer.watch = DEPTH_META;
}

/* The hold has a whole key. */
static void end_key(cwire_jsonrpc_rewrite *rewrite, unsigned depth) {
  static const cwire_jsonrpc_level levels[] = {
      [DEPTH_TOP] = CWIRE_JSONRPC_LEVEL_TOP,
      [DEPTH_BODY] = CWIRE_JSONRPC_LEVEL_RESULT,
      [DEPTH_META] = CWIRE_JSONRPC_LEVEL_META,
  };
  uint32_t *found[] = {
      [DEPTH_TOP] = &rewrite->top_found,
      [DEPTH_BODY] = &rewrite->body_found,
      [DEPTH_META] = &rewrite->meta_found,
  };
  cwire_jsonrpc_level level = levels[depth];
  if (depth == DEPTH_BODY && rewrite->kind == CWIRE_JSONRPC_ERROR) {
    level = CWIRE_JSONRPC_LEVEL_ERROR;
  }
  cwire_span key;
  bool escaped;
  rewrite->key_next = false;
  cwire_json_string(cwire_span_make(rewrite->hold, rewrite->held), &key, &escaped);
  int code = cwire_jsonrpc_key_code(level, key, escaped);
  if (code >= 0) {
    if ((*found[depth] >> code & 1u) != 0) refuse(rewrite, CWIRE_JSONRPC_REASON_DUPLICATE);
    *found[depth] |= (uint32_t)1 << code;
  }
  if (depth == DEPTH_TOP) {
    end_top_key(rewrite, code);
  } else if (depth == DEPTH_BODY) {
    end_body_key(rewrite, code);
  } else {
    rewrite->dropping = code >= 0 && (rewrite->options.remove_meta >> code & 1u) != 0;
  }
  if (!rewrite->dropping) keep_member(rewrite, depth);
}

/* A piece of a key that ended up too long belongs to no name we know; `depth` is that of its
 * object. */
static void give_key_up(cwire_jsonrpc_rewrite *rewrite, unsigned depth) {
  rewrite->key_too_long = true;
  rewrite->lexer.watch = depth;
  if (depth == DEPTH_TOP) rewrite->top_code = -1;
  if (depth == DEPTH_BODY) rewrite->body_code = -1;
  keep_member(rewrite, depth);
}

static void take_key(cwire_jsonrpc_rewrite *rewrite, cwire_writer *out, cwire_span piece) {
  unsigned depth = rewrite->lexer.depth;
  if (rewrite->key_too_long) {
    copy(rewrite, out, piece);
    return;
  }
  memcpy(rewrite->hold + rewrite->held, piece.base, piece.length);
  rewrite->held += piece.length;
  if (rewrite->lexer.token_end) {
    end_key(rewrite, depth);
  } else if (rewrite->held == sizeof rewrite->hold) {
    give_key_up(rewrite, depth);
  }
}

/* Whether the member being read is resultType, and what it says matters. */
static bool is_result_type(const cwire_jsonrpc_rewrite *rewrite) {
  return rewrite->options.result_types != 0 && rewrite->kind == CWIRE_JSONRPC_RESULT &&
         rewrite->body_code == CWIRE_MCP_RESULT_RESULT_TYPE;
}

static void check_result_type(cwire_jsonrpc_rewrite *rewrite) {
  cwire_span text;
  bool escaped;
  uint8_t type = 0;
  if (!rewrite->scalar_too_long &&
      cwire_json_string(cwire_span_make(rewrite->hold, rewrite->held), &text, &escaped)) {
    if (cwire_json_key_equal(text, escaped, cwire_span_text("complete"))) {
      type = CWIRE_JSONRPC_COMPLETE;
    } else if (cwire_json_key_equal(text, escaped, cwire_span_text("input_required"))) {
      type = CWIRE_JSONRPC_INPUT_REQUIRED;
    }
  }
  if ((rewrite->options.result_types & type) == 0)
    refuse(rewrite, CWIRE_JSONRPC_REASON_RESULT_TYPE);
}

static void end_scalar(cwire_jsonrpc_rewrite *rewrite) {
  unsigned depth = rewrite->lexer.depth;
  uint8_t first = rewrite->scalar_first;
  if (depth == DEPTH_BODY) {
    if (is_result_type(rewrite)) check_result_type(rewrite);
    if (rewrite->kind == CWIRE_JSONRPC_ERROR && rewrite->body_code == CWIRE_MCP_ERROR_CODE &&
        !rewrite->scalar_integer) {
      refuse(rewrite, CWIRE_JSONRPC_REASON_ERROR);
    }
    return;
  }
  if (depth != DEPTH_TOP) return;
  switch (rewrite->top_code) {
  case CWIRE_MCP_TOP_JSONRPC:
    if (rewrite->scalar_too_long ||
        !cwire_jsonrpc_is_version(cwire_span_make(rewrite->hold, rewrite->held))) {
      refuse(rewrite, CWIRE_JSONRPC_REASON_VERSION);
    }
    break;
  case CWIRE_MCP_TOP_ID:
    rewrite->id_kind = first == '"'              ? CWIRE_JSONRPC_ID_STRING
                       : rewrite->scalar_integer ? CWIRE_JSONRPC_ID_INTEGER
                       : first == 'n'            ? CWIRE_JSONRPC_ID_NULL
                                                 : CWIRE_JSONRPC_ID_OTHER;
    if (rewrite->id_kind == CWIRE_JSONRPC_ID_OTHER) refuse(rewrite, CWIRE_JSONRPC_REASON_ID);
    break;
  case CWIRE_MCP_TOP_ERROR:
    refuse(rewrite, CWIRE_JSONRPC_REASON_ERROR);
    break;
  default:
    break;
  }
}

static void take_scalar(cwire_jsonrpc_rewrite *rewrite, cwire_writer *out, cwire_span piece) {
  unsigned depth = rewrite->lexer.depth;
  bool is_id = depth == DEPTH_TOP && rewrite->top_code == CWIRE_MCP_TOP_ID &&
               rewrite->options.id.base != NULL;
  bool begins = !rewrite->scalar_begun;
  if (depth == 0) {
    refuse(rewrite, CWIRE_JSONRPC_REASON_NOT_AN_OBJECT);
    return;
  }
  if (begins) {
    rewrite->scalar_begun = true;
    rewrite->scalar_first = piece.base[0];
    rewrite->scalar_integer =
        piece.base[0] == '-' || (piece.base[0] >= '0' && piece.base[0] <= '9');
    rewrite->scalar_too_long = false;
    rewrite->held = 0;
  }
  for (size_t index = begins ? 1 : 0; index < piece.length && rewrite->scalar_integer; index++) {
    rewrite->scalar_integer = piece.base[index] >= '0' && piece.base[index] <= '9';
  }
  cwire_span kept = cwire_span_take(piece, sizeof rewrite->hold - rewrite->held);
  if (kept.length < piece.length) rewrite->scalar_too_long = true;
  if (kept.length > 0) memcpy(rewrite->hold + rewrite->held, kept.base, kept.length);
  rewrite->held += kept.length;
  if (is_id) {
    if (begins) queue(rewrite, rewrite->options.id);
  } else if (!rewrite->dropping) {
    copy(rewrite, out, piece);
  }
  if (!rewrite->lexer.token_end) return;
  rewrite->scalar_begun = false;
  end_scalar(rewrite);
}

static void open_container(cwire_jsonrpc_rewrite *rewrite, cwire_writer *out, cwire_span piece) {
  unsigned depth = rewrite->lexer.depth;
  bool object = piece.base[0] == '{';
  begin_key(rewrite);
  if (!object) {
    /* Only the value of result or _meta gets past this, and then nothing in it matters. */
    if (depth == DEPTH_TOP) refuse(rewrite, CWIRE_JSONRPC_REASON_NOT_AN_OBJECT);
    if (rewrite->kind == CWIRE_JSONRPC_ERROR) refuse(rewrite, CWIRE_JSONRPC_REASON_ERROR);
    rewrite->key_next = false;
    rewrite->lexer.watch = depth - 1;
    copy(rewrite, out, piece);
    return;
  }
  if (!is_edited(rewrite, depth)) {
    copy(rewrite, out, piece);
    return;
  }
  cwire_span inserted =
      depth == DEPTH_META ? rewrite->options.insert_meta : rewrite->options.insert_result;
  *written_flag(rewrite, depth) = inserted.length > 0;
  queue_text(rewrite, "{");
  queue(rewrite, inserted);
}

static void end_body(cwire_jsonrpc_rewrite *rewrite) {
  if (rewrite->kind == CWIRE_JSONRPC_ERROR) {
    if ((rewrite->body_found >> CWIRE_MCP_ERROR_CODE & 1u) == 0) {
      refuse(rewrite, CWIRE_JSONRPC_REASON_ERROR);
    }
    return;
  }
  if (rewrite->has_meta || rewrite->options.insert_meta.length == 0) return;
  queue_comma(rewrite, DEPTH_BODY);
  queue_text(rewrite, "\"_meta\":{");
  queue(rewrite, rewrite->options.insert_meta);
  queue_text(rewrite, "}");
}

static void end_message(cwire_jsonrpc_rewrite *rewrite) {
  rewrite->finished = true;
  if ((rewrite->top_found >> CWIRE_MCP_TOP_JSONRPC & 1u) == 0) {
    refuse(rewrite, CWIRE_JSONRPC_REASON_VERSION);
  }
  if (rewrite->kind == CWIRE_JSONRPC_INVALID) refuse(rewrite, CWIRE_JSONRPC_REASON_EMPTY);
  bool has_id = rewrite->id_kind != CWIRE_JSONRPC_ID_ABSENT;
  if (rewrite->kind == CWIRE_JSONRPC_RESULT) {
    if (!has_id) refuse(rewrite, CWIRE_JSONRPC_REASON_ID_ABSENT);
    if (rewrite->id_kind == CWIRE_JSONRPC_ID_NULL) refuse(rewrite, CWIRE_JSONRPC_REASON_ID);
  }
  if (has_id || rewrite->options.id.base == NULL) return;
  queue_text(rewrite, ",\"id\":");
  queue(rewrite, rewrite->options.id);
}

static void close_container(cwire_jsonrpc_rewrite *rewrite) {
  unsigned depth = rewrite->lexer.depth;
  rewrite->lexer.watch = depth;
  rewrite->dropping = false;
  rewrite->key_next = false;
  if (depth + 1 == DEPTH_BODY) end_body(rewrite);
  if (depth + 1 == DEPTH_TOP) end_message(rewrite);
  queue_text(rewrite, "}");
}

/* A piece of a container whose members do not matter: the value of a member of the object at depth
 * `watch`. */
static void take_nested(cwire_jsonrpc_rewrite *rewrite, cwire_writer *out, cwire_span piece) {
  if (rewrite->lexer.watch == DEPTH_TOP) {
    if (rewrite->top_code == CWIRE_MCP_TOP_JSONRPC) refuse(rewrite, CWIRE_JSONRPC_REASON_VERSION);
    if (rewrite->top_code == CWIRE_MCP_TOP_ID) refuse(rewrite, CWIRE_JSONRPC_REASON_ID);
  } else if (rewrite->kind == CWIRE_JSONRPC_ERROR && rewrite->body_code == CWIRE_MCP_ERROR_CODE) {
    refuse(rewrite, CWIRE_JSONRPC_REASON_ERROR);
  } else if (rewrite->lexer.watch == DEPTH_BODY && is_result_type(rewrite)) {
    refuse(rewrite, CWIRE_JSONRPC_REASON_RESULT_TYPE);
  }
  if (!rewrite->dropping) copy(rewrite, out, piece);
}

static void take(cwire_jsonrpc_rewrite *rewrite, cwire_writer *out, int event, cwire_span piece) {
  bool edited = is_edited(rewrite, rewrite->lexer.depth);
  switch (event) {
  case CWIRE_JSON_EVENT_OPEN:
    open_container(rewrite, out, piece);
    break;
  case CWIRE_JSON_EVENT_CLOSE:
    close_container(rewrite);
    break;
  case CWIRE_JSON_EVENT_COMMA:
    begin_key(rewrite);
    if (!edited) copy(rewrite, out, piece);
    break;
  case CWIRE_JSON_EVENT_COLON:
    if (!rewrite->dropping) copy(rewrite, out, piece);
    break;
  case CWIRE_JSON_EVENT_SPACE:
    if (!edited) copy(rewrite, out, piece);
    break;
  case CWIRE_JSON_EVENT_KEY:
    take_key(rewrite, out, piece);
    break;
  case CWIRE_JSON_EVENT_SCALAR:
    take_scalar(rewrite, out, piece);
    break;
  case CWIRE_JSON_EVENT_NESTED:
    take_nested(rewrite, out, piece);
    break;
  default:
    break;
  }
}

/* What follows the object: whitespace, or it was not one message. */
static int take_rest(cwire_jsonrpc_rewrite *rewrite, cwire_span *input) {
  for (; input->length > 0; *input = cwire_span_drop(*input, 1)) {
    uint8_t byte = input->base[0];
    if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r') {
      refuse(rewrite, CWIRE_JSONRPC_REASON_TRAILING);
      return rewrite->status;
    }
    rewrite->consumed++;
  }
  return CWIRE_OK;
}

int cwire_jsonrpc_rewrite_feed(cwire_jsonrpc_rewrite *rewrite, cwire_span *input,
                               cwire_writer *out) {
  for (;;) {
    if (rewrite->reason != CWIRE_JSONRPC_REASON_NONE) return rewrite->status;
    if (!flush(rewrite, out)) return CWIRE_MORE;
    if (rewrite->finished) return take_rest(rewrite, input);
    /* A piece is never longer than the room for it, be it in the output or in the hold. */
    size_t room = out->capacity - out->length;
    if (rewrite->key_next && !rewrite->key_too_long &&
        room > sizeof rewrite->hold - rewrite->held) {
      room = sizeof rewrite->hold - rewrite->held;
    }
    cwire_span window = cwire_span_take(*input, room);
    if (window.length == 0 || !cwire_writer_ok(out)) return CWIRE_MORE;
    size_t before = window.length;
    cwire_span piece;
    int event = cwire_json_lexer_next(&rewrite->lexer, &window, &piece);
    rewrite->consumed += before - window.length;
    *input = cwire_span_drop(*input, before - window.length);
    if (event < 0) {
      refuse(rewrite, cwire_jsonrpc_reason_of((cwire_json_status)event));
    } else {
      take(rewrite, out, event, piece);
    }
  }
}
