#include "fuzz.h"

/* The rewriter writes the same bytes however its input and output are cut; it accepts every
 * response that the scan of the whole accepts; and what it writes is the same response but for what
 * it was told to change. */

#define DEPTH 12u
#define ROOM (1u << 20)

/* Rewrites the whole message in random pieces (or at once); `written` is what came out. */
static int rewrite(cwire_span message, const cwire_jsonrpc_rewrite_options *options,
                   fuzz_random *random, uint8_t *out, cwire_span *written,
                   cwire_jsonrpc_kind *kind) {
  cwire_jsonrpc_rewrite rewriter;
  cwire_jsonrpc_rewrite_init(&rewriter, options);
  size_t taken = 0;
  size_t length = 0;
  int status = CWIRE_MORE;
  do {
    size_t left = message.length - taken;
    size_t size = random == NULL || left == 0
                      ? left
                      : 1 + fuzz_below(random, random->state % 2 == 0 ? 1 : left);
    cwire_span part = fuzz_copy(cwire_span_take(cwire_span_drop(message, taken), size));
    cwire_span rest = part;
    do {
      size_t room = random == NULL ? ROOM - length : 1 + fuzz_below(random, 40);
      cwire_writer writer = cwire_writer_make(out + length, room);
      status = cwire_jsonrpc_rewrite_feed(&rewriter, &rest, &writer);
      length += writer.length;
      FUZZ_EXPECT(length < ROOM - 64);
      FUZZ_EXPECT(status != CWIRE_MORE || rest.length == 0 || writer.length > 0);
      if (status == CWIRE_MORE && rest.length == 0 && writer.length < room) break;
    } while (status == CWIRE_MORE);
    taken += part.length - rest.length;
    fuzz_free(part);
  } while (status >= 0 && taken < message.length);
  FUZZ_EXPECT(rewriter.consumed == taken || status < 0);
  *written = cwire_span_make(out, length);
  *kind = rewriter.kind;
  return status;
}

static void check_members(cwire_span before, cwire_span after, uint32_t removed, bool meta) {
  cwire_json_iterator members;
  cwire_json_member member;
  cwire_json_member found;
  uint8_t name[300];
  FUZZ_EXPECT(cwire_json_iterate(&members, before, DEPTH) == CWIRE_JSON_OK);
  while (cwire_json_next(&members, &member) == CWIRE_JSON_OK) {
    size_t length = cwire_json_unescape(member.key, name, sizeof name - 1);
    if (length == SIZE_MAX || memchr(name, 0, length) != NULL) continue;
    name[length] = '\0';
    cwire_span text = cwire_span_make(name, length);
    int code = meta ? cwire_mcp_meta_code(text) : cwire_mcp_result_code(text);
    bool kept = code < 0 || (removed >> code & 1u) == 0;
    bool there = cwire_json_find(after, (const char *)name, &found);
    if (!kept && !meta && code == CWIRE_MCP_RESULT_META) continue; /* may be put in anew */
    FUZZ_EXPECT(there == kept || strcmp((const char *)name, "zz") == 0);
    if (code >= 0 && kept && (meta || code != CWIRE_MCP_RESULT_META)) {
      FUZZ_EXPECT(cwire_span_equal(found.value, member.value));
    }
  }
}

static void check_output(const cwire_jsonrpc_envelope *before, cwire_span written,
                         const cwire_jsonrpc_rewrite_options *options) {
  cwire_jsonrpc_envelope after;
  FUZZ_EXPECT(cwire_jsonrpc_scan(&after, written, DEPTH) == CWIRE_JSONRPC_OK);
  FUZZ_EXPECT(after.kind == before->kind);
  FUZZ_EXPECT(cwire_span_equal(after.id, options->id.base == NULL ? before->id : options->id));
  if (options->flatten) {
    FUZZ_EXPECT(written.length == 0 || (memchr(written.base, '\n', written.length) == NULL &&
                                        memchr(written.base, '\r', written.length) == NULL));
    return; /* the bytes of values may differ in whitespace */
  }
  if (before->kind == CWIRE_JSONRPC_ERROR) {
    FUZZ_EXPECT(cwire_span_equal(before->error, after.error));
    return;
  }
  if (before->result_inside.base == NULL) {
    FUZZ_EXPECT(cwire_span_equal(before->result, after.result));
    return;
  }
  cwire_json_member found;
  if (options->insert_result.length > 0) FUZZ_EXPECT(cwire_json_find(after.result, "zz", &found));
  check_members(before->result, after.result, options->remove_result, false);
  cwire_span old_meta = cwire_jsonrpc_result(before, CWIRE_MCP_RESULT_META).value;
  cwire_span new_meta = cwire_jsonrpc_result(&after, CWIRE_MCP_RESULT_META).value;
  bool replaced =
      old_meta.base == NULL || (options->remove_result >> CWIRE_MCP_RESULT_META & 1u) != 0;
  if (replaced) {
    FUZZ_EXPECT((new_meta.base != NULL) == (options->insert_meta.length > 0));
  } else if (old_meta.base[0] == '{') {
    check_members(old_meta, new_meta, options->remove_meta, true);
    if (options->insert_meta.length > 0) FUZZ_EXPECT(cwire_json_find(new_meta, "zz", &found));
  } else {
    FUZZ_EXPECT(cwire_span_equal(old_meta, new_meta));
  }
}

/* What a response whose scan found nothing wrong may still be refused for. */
static bool may_pass(const cwire_jsonrpc_envelope *envelope,
                     const cwire_jsonrpc_rewrite_options *options) {
  if (options->result_types == 0 || envelope->kind != CWIRE_JSONRPC_RESULT) return true;
  cwire_span value = cwire_jsonrpc_result(envelope, CWIRE_MCP_RESULT_RESULT_TYPE).value;
  cwire_span text;
  bool escaped;
  return value.base == NULL || (cwire_json_string(value, &text, &escaped) &&
                                cwire_json_key_equal(text, escaped, cwire_span_text("complete")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t whole[ROOM];
  static uint8_t pieces[ROOM];
  if (size < 4 || size > ROOM / 2) return 0;
  cwire_span message = fuzz_copy(cwire_span_make(data + 4, size - 4));
  fuzz_random random = fuzz_seed(cwire_span_make(data, size));
  const uint32_t removable = 1u << CWIRE_MCP_RESULT_RESULT_TYPE | 1u << CWIRE_MCP_RESULT_TTL_MS |
                             1u << CWIRE_MCP_RESULT_CACHE_SCOPE;
  cwire_jsonrpc_rewrite_options options = {
      .id = cwire_span_text("\"replaced\""),
      .remove_result = (data[0] & 1) != 0 ? removable : (uint32_t)data[1] | (uint32_t)data[3] << 20,
      .remove_meta = (uint32_t)data[2] << 2,
      .flatten = (data[0] & 2) != 0,
      .max_depth = DEPTH,
  };
  if ((data[0] & 32) != 0) options.result_types = CWIRE_JSONRPC_COMPLETE;
  if ((data[0] & 4) != 0) options.id = cwire_span_make(NULL, 0);
  if ((data[0] & 8) != 0) options.insert_result = cwire_span_text("\"zz\":0,\"zy\":[]");
  if ((data[0] & 16) != 0) options.insert_meta = cwire_span_text("\"zz\":\"\"");

  cwire_span first;
  cwire_span second;
  cwire_jsonrpc_kind kind;
  int status = rewrite(message, &options, NULL, whole, &first, &kind);
  for (unsigned round = 0; round < 3; round++) {
    cwire_jsonrpc_kind again;
    int repeated = rewrite(message, &options, &random, pieces, &second, &again);
    /* Of two faults close together, the cut may decide which is met first. */
    FUZZ_EXPECT(status < 0 ? repeated < 0 : repeated == status && again == kind);
    if (status >= 0) FUZZ_EXPECT(cwire_span_equal(first, second));
  }

  cwire_jsonrpc_envelope envelope;
  cwire_jsonrpc_status scanned = cwire_jsonrpc_scan(&envelope, message, DEPTH);
  bool response = envelope.kind == CWIRE_JSONRPC_RESULT || envelope.kind == CWIRE_JSONRPC_ERROR;
  if (scanned == CWIRE_JSONRPC_OK && response) {
    FUZZ_EXPECT((status == CWIRE_OK) == may_pass(&envelope, &options));
  }
  if (status == CWIRE_OK) {
    FUZZ_EXPECT(kind == CWIRE_JSONRPC_RESULT || kind == CWIRE_JSONRPC_ERROR);
    /* The rewriter does not look into what it drops. */
    FUZZ_EXPECT(scanned == CWIRE_JSONRPC_OK || envelope.reason == CWIRE_JSONRPC_REASON_DUPLICATE);
    if (scanned == CWIRE_JSONRPC_OK) check_output(&envelope, first, &options);
  }
  fuzz_free(message);
  return 0;
}
