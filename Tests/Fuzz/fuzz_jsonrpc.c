#include "fuzz.h"

/* The envelope scan agrees with the JSON reader, a part of a message never says more than the
 * whole, and a splice changes what it was told to change and nothing else. */

#define DEPTH 12u
#define EDITS 64u

/* Random members of one level, up to `capacity`. */
static size_t choose(const cwire_jsonrpc_envelope *envelope, fuzz_random *random, bool meta,
                     cwire_json_member *chosen) {
  size_t count = 0;
  bool result = envelope->kind == CWIRE_JSONRPC_RESULT;
  int names = meta     ? (int)CWIRE_MCP_META_COUNT
              : result ? (int)CWIRE_MCP_RESULT_COUNT
                       : (int)CWIRE_MCP_PARAM_COUNT;
  for (int name = 0; name < names; name++) {
    if (fuzz_below(random, 2) == 0) continue;
    chosen[count++] = meta     ? cwire_jsonrpc_meta(envelope, (cwire_mcp_meta)name)
                      : result ? cwire_jsonrpc_result(envelope, (cwire_mcp_result)name)
                               : cwire_jsonrpc_param(envelope, (cwire_mcp_param)name);
  }
  /* In any order. */
  for (size_t index = count; index > 1; index--) {
    size_t other = fuzz_below(random, index);
    cwire_json_member swap = chosen[index - 1];
    chosen[index - 1] = chosen[other];
    chosen[other] = swap;
  }
  return count;
}

static bool is_among(const cwire_json_member *chosen, size_t count, cwire_span value) {
  for (size_t index = 0; index < count; index++) {
    if (chosen[index].value.base == value.base) return true;
  }
  return false;
}

/* Every member of the object before that was not removed must follow, in order, with the same
 * bytes. */
static void check_object(cwire_span before, cwire_span after, const cwire_json_member *removed,
                         size_t count, cwire_span inserted, cwire_span untouched) {
  cwire_json_iterator old_members;
  cwire_json_iterator new_members;
  cwire_json_member old_member;
  cwire_json_member new_member;
  FUZZ_EXPECT(cwire_json_iterate(&old_members, before, DEPTH) == CWIRE_JSON_OK);
  FUZZ_EXPECT(cwire_json_iterate(&new_members, after, DEPTH) == CWIRE_JSON_OK);
  if (inserted.length > 0) {
    FUZZ_EXPECT(cwire_json_next(&new_members, &new_member) == CWIRE_JSON_OK);
    FUZZ_EXPECT(cwire_span_equal(new_member.extent, inserted));
  }
  while (cwire_json_next(&old_members, &old_member) == CWIRE_JSON_OK) {
    if (is_among(removed, count, old_member.value)) continue;
    FUZZ_EXPECT(cwire_json_next(&new_members, &new_member) == CWIRE_JSON_OK);
    FUZZ_EXPECT(cwire_span_equal(old_member.key, new_member.key));
    if (old_member.value.base == untouched.base) continue;
    FUZZ_EXPECT(cwire_span_equal(old_member.value, new_member.value));
  }
  FUZZ_EXPECT(cwire_json_next(&new_members, &new_member) == CWIRE_JSON_END);
}

static void check_splice(const cwire_jsonrpc_envelope *envelope, fuzz_random *random) {
  cwire_span message = envelope->message;
  bool result = envelope->kind == CWIRE_JSONRPC_RESULT;
  cwire_span object = result ? envelope->result : envelope->params;
  if (object.base == NULL || object.base[0] != '{') return;
  cwire_json_member meta = result ? cwire_jsonrpc_result(envelope, CWIRE_MCP_RESULT_META)
                                  : cwire_jsonrpc_param(envelope, CWIRE_MCP_PARAM_META);
  cwire_edit items[EDITS];
  cwire_edits edits = cwire_edits_make(items, EDITS);
  cwire_json_member removed[32];
  cwire_json_member meta_removed[32];
  size_t count = choose(envelope, random, false, removed);
  size_t meta_count = 0;
  cwire_span inserted = cwire_span_text(fuzz_below(random, 2) == 0 ? "" : "\"zz\":[1]");
  cwire_span id = cwire_span_text("18446744073709551616");
  bool edits_meta = meta.value.base != NULL && meta.value.base[0] == '{';
  if (envelope->id.base != NULL) cwire_edits_replace(&edits, message, envelope->id, id);
  if (edits_meta) {
    meta_count = choose(envelope, random, true, meta_removed);
    cwire_edits_object(&edits, message, meta.value, meta_removed, meta_count, inserted);
  }
  cwire_edits_object(&edits, message, object, removed, count, inserted);
  size_t length = cwire_splice_prepare(&edits, message);
  FUZZ_EXPECT(length != SIZE_MAX);
  uint8_t *out = malloc(length + 1);
  cwire_writer writer = cwire_writer_make(out, length);
  cwire_splice_put(&writer, message, &edits, false);
  FUZZ_EXPECT(cwire_writer_ok(&writer) && writer.length == length);

  cwire_jsonrpc_envelope after;
  FUZZ_EXPECT(cwire_jsonrpc_scan(&after, cwire_writer_written(&writer), DEPTH) == CWIRE_JSONRPC_OK);
  FUZZ_EXPECT(after.kind == envelope->kind && after.method_code == envelope->method_code);
  if (envelope->id.base != NULL) FUZZ_EXPECT(cwire_span_equal(after.id, id));
  check_object(object, result ? after.result : after.params, removed, count, inserted, meta.value);
  cwire_json_member after_meta = result ? cwire_jsonrpc_result(&after, CWIRE_MCP_RESULT_META)
                                        : cwire_jsonrpc_param(&after, CWIRE_MCP_PARAM_META);
  bool removed_meta = is_among(removed, count, meta.value);
  FUZZ_EXPECT(meta.value.base == NULL || (after_meta.value.base == NULL) == removed_meta);
  if (edits_meta && !removed_meta) {
    check_object(meta.value, after_meta.value, meta_removed, meta_count, inserted,
                 cwire_span_make(NULL, 0));
  }
  free(out);
}

static void check_part(const cwire_jsonrpc_envelope *whole, cwire_jsonrpc_status status,
                       fuzz_random *random) {
  size_t length = fuzz_below(random, whole->message.length + 1);
  cwire_span part = fuzz_copy(cwire_span_take(whole->message, length));
  cwire_jsonrpc_envelope envelope;
  cwire_jsonrpc_kind kind = cwire_jsonrpc_peek(&envelope, part, DEPTH);
  if (status == CWIRE_JSONRPC_OK) {
    FUZZ_EXPECT(kind == whole->kind || kind == CWIRE_JSONRPC_INVALID ||
                (kind == CWIRE_JSONRPC_NOTIFICATION && whole->kind == CWIRE_JSONRPC_REQUEST));
    if (envelope.id.base != NULL) FUZZ_EXPECT(cwire_span_equal(envelope.id, whole->id));
    if (envelope.method.base != NULL) FUZZ_EXPECT(cwire_span_equal(envelope.method, whole->method));
  }
  fuzz_free(part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cwire_span message = fuzz_copy(cwire_span_make(data, size));
  fuzz_random random = fuzz_seed(message);
  cwire_jsonrpc_envelope envelope;
  cwire_jsonrpc_status status = cwire_jsonrpc_scan(&envelope, message, DEPTH);
  cwire_json_status json = cwire_json_validate(message, DEPTH, NULL);
  bool malformed =
      status == CWIRE_JSONRPC_PARSE_ERROR || envelope.reason == CWIRE_JSONRPC_REASON_TOO_DEEP;
  FUZZ_EXPECT(malformed == (json != CWIRE_JSON_OK));
  FUZZ_EXPECT((status == CWIRE_JSONRPC_OK) == (envelope.kind != CWIRE_JSONRPC_INVALID));
  FUZZ_EXPECT(envelope.fault <= size && cwire_jsonrpc_reason_text(envelope.reason) != NULL);
  for (unsigned round = 0; round < 4; round++)
    check_part(&envelope, status, &random);
  if (status == CWIRE_JSONRPC_OK) {
    for (unsigned round = 0; round < 4; round++)
      check_splice(&envelope, &random);
  }
  fuzz_free(message);
  return 0;
}
