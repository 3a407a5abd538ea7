#include "fuzz.h"

#include <stdio.h>

/* The reader and the resumable lexer accept the same texts, however the lexer's input is cut;
 * iterators see what the reader accepted; escaping and unescaping undo each other. */

#define DEPTH 12u

/* The lexer's verdict over the whole text, cut at random: OK, an error, or TRUNCATED. */
static int lex(cwire_span text, fuzz_random *random, unsigned watch) {
  cwire_json_lexer lexer;
  cwire_json_lexer_init(&lexer, DEPTH, watch);
  size_t taken = 0;
  bool done = false;
  while (!done && taken < text.length) {
    size_t size = 1 + fuzz_below(random, random->state % 3 == 0 ? 1 : text.length - taken);
    cwire_span part = fuzz_copy(cwire_span_take(cwire_span_drop(text, taken), size));
    cwire_span rest = part;
    for (;;) {
      cwire_span piece;
      const uint8_t *begin = rest.base;
      int event = cwire_json_lexer_next(&lexer, &rest, &piece);
      if (event < 0) {
        fuzz_free(part);
        return event;
      }
      FUZZ_EXPECT(piece.base == begin && piece.base + piece.length == rest.base);
      if (event == CWIRE_JSON_EVENT_END) done = true;
      if (event == CWIRE_JSON_EVENT_END || event == CWIRE_JSON_EVENT_MORE) break;
      FUZZ_EXPECT(piece.length > 0 || (event == CWIRE_JSON_EVENT_SCALAR && lexer.token_end));
    }
    taken += part.length - rest.length;
    fuzz_free(part);
  }
  if (!done) {
    cwire_span rest = cwire_span_text(" ");
    cwire_span piece;
    int event = cwire_json_lexer_next(&lexer, &rest, &piece);
    if (event == CWIRE_JSON_EVENT_SCALAR) event = cwire_json_lexer_next(&lexer, &rest, &piece);
    return event == CWIRE_JSON_EVENT_END ? CWIRE_JSON_OK : CWIRE_JSON_TRUNCATED;
  }
  for (; taken < text.length; taken++) {
    if (strchr(" \t\r\n", text.base[taken]) == NULL || text.base[taken] == 0) {
      return CWIRE_JSON_TRAILING;
    }
  }
  return CWIRE_JSON_OK;
}

/* The contents of a string that stands for the text. */
static void put_escaped(cwire_writer *writer, cwire_span text) {
  for (size_t index = 0; index < text.length; index++) {
    uint8_t byte = text.base[index];
    char escape[7];
    snprintf(escape, sizeof escape, "\\u%04x", byte);
    if (byte < 0x20 || byte == '"' || byte == '\\')
      cwire_writer_put_text(writer, escape);
    else
      cwire_writer_put_byte(writer, byte);
  }
}

static void check_string(cwire_span contents, bool escaped) {
  uint8_t *plain = malloc(contents.length + 1);
  uint8_t *again = malloc(contents.length * 6 + 1);
  size_t length = cwire_json_unescape(contents, plain, contents.length);
  FUZZ_EXPECT(length <= contents.length && (escaped || length == contents.length));
  cwire_span text = cwire_span_make(plain, length);
  FUZZ_EXPECT(cwire_utf8_valid(text));
  FUZZ_EXPECT(cwire_json_key_equal(contents, escaped, text));
  cwire_writer writer = cwire_writer_make(again, contents.length * 6 + 1);
  put_escaped(&writer, text);
  FUZZ_EXPECT(cwire_writer_ok(&writer));
  size_t back = cwire_json_unescape(cwire_writer_written(&writer), again, writer.length);
  FUZZ_EXPECT(cwire_span_equal(cwire_span_make(again, back), text));
  free(plain);
  free(again);
}

static void check_value(cwire_span value, unsigned depth) {
  FUZZ_EXPECT(cwire_json_validate(value, depth, NULL) == CWIRE_JSON_OK);
  cwire_json_kind kind = cwire_json_kind_of(value);
  cwire_span contents;
  bool escaped;
  int64_t number;
  FUZZ_EXPECT(kind != CWIRE_JSON_NONE);
  if (cwire_json_string(value, &contents, &escaped)) {
    FUZZ_EXPECT(kind == CWIRE_JSON_STRING);
    check_string(contents, escaped);
  }
  if (cwire_json_int64(value, &number)) FUZZ_EXPECT(kind == CWIRE_JSON_INTEGER);
  if (kind != CWIRE_JSON_OBJECT && kind != CWIRE_JSON_ARRAY) return;
  cwire_json_iterator iterator;
  cwire_json_member item;
  cwire_json_status status = cwire_json_iterate(&iterator, value, depth);
  const uint8_t *last = value.base;
  FUZZ_EXPECT(status == CWIRE_JSON_OK);
  while ((status = cwire_json_next(&iterator, &item)) == CWIRE_JSON_OK) {
    FUZZ_EXPECT(item.extent.base > last);
    last = item.extent.base + item.extent.length;
    FUZZ_EXPECT(item.value.base + item.value.length == last);
    if (item.key.base != NULL) check_string(item.key, item.key_escaped);
    check_value(item.value, depth - 1);
  }
  FUZZ_EXPECT(status == CWIRE_JSON_END && iterator.next == value.base + value.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cwire_span text = fuzz_copy(cwire_span_make(data, size));
  fuzz_random random = fuzz_seed(text);
  size_t end;
  int status = cwire_json_validate(text, DEPTH, &end);
  FUZZ_EXPECT(end <= size);
  for (unsigned round = 0; round < 3; round++) {
    FUZZ_EXPECT(lex(text, &random, round == 0 ? DEPTH : (unsigned)fuzz_below(&random, 4)) ==
                status);
  }
  if (status == CWIRE_JSON_OK) {
    size_t space = strspn((const char *)text.base, " \t\r\n");
    FUZZ_EXPECT(cwire_json_value_end(text, DEPTH, &end) == CWIRE_JSON_OK);
    check_value(cwire_span_make(text.base + space, end - space), DEPTH);
  }
  check_string(cwire_span_make(NULL, 0), false);
  fuzz_free(text);
  return 0;
}
