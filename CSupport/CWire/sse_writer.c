#include "cwire/sse.h"

#include "line_run.h"

static bool is_one_line(cwire_span text) {
  if (text.length == 0) return true;
  const uint8_t *end = text.base + text.length;
  return cwire_line_run(text.base, end) == end && memchr(text.base, 0, text.length) == NULL;
}

static void put_field(cwire_writer *writer, const char *name, cwire_span value) {
  cwire_writer_put_text(writer, name);
  cwire_writer_put_span(writer, value);
  cwire_writer_put_byte(writer, '\n');
}

static void put_fields(cwire_writer *writer, const cwire_sse_fields *fields) {
  if (!is_one_line(fields->id) || !is_one_line(fields->type)) {
    writer->invalid = true;
    return;
  }
  if (fields->type.base != NULL) put_field(writer, "event: ", fields->type);
  if (fields->id.base != NULL) put_field(writer, "id: ", fields->id);
  if (fields->retry >= 0) {
    cwire_writer_put_text(writer, "retry: ");
    cwire_writer_put_u64(writer, (uint64_t)fields->retry);
    cwire_writer_put_byte(writer, '\n');
  }
}

/* Takes the first line off `rest`, which must not be NULL. False once there is none left. */
static bool next_line(cwire_span *rest, cwire_span *line) {
  if (rest->base == NULL) return false;
  const uint8_t *end = rest->base + rest->length;
  const uint8_t *stop = cwire_line_run(rest->base, end);
  *line = cwire_span_make(rest->base, (size_t)(stop - rest->base));
  if (stop == end) {
    *rest = cwire_span_make(NULL, 0);
    return true;
  }
  const uint8_t *next = stop + 1;
  if (*stop == '\r' && next < end && *next == '\n') next++;
  *rest = cwire_span_make(next, (size_t)(end - next));
  return true;
}

void cwire_sse_put_event(cwire_writer *writer, const cwire_sse_fields *fields, cwire_span data) {
  put_fields(writer, fields);
  cwire_span line;
  while (next_line(&data, &line))
    put_field(writer, "data: ", line);
  cwire_writer_put_byte(writer, '\n');
}

size_t cwire_sse_event_length(const cwire_sse_fields *fields, cwire_span data) {
  size_t length = 1;
  if (fields->type.base != NULL) length += sizeof "event: " + fields->type.length;
  if (fields->id.base != NULL) length += sizeof "id: " + fields->id.length;
  if (fields->retry >= 0) {
    length += sizeof "retry: " + 1;
    for (int64_t rest = fields->retry; rest >= 10; rest /= 10)
      length++;
  }
  cwire_span line;
  while (next_line(&data, &line))
    length += sizeof "data: " + line.length;
  return length;
}

void cwire_sse_put_open(cwire_writer *writer, const cwire_sse_fields *fields) {
  put_fields(writer, fields);
  cwire_writer_put_text(writer, "data: ");
}

void cwire_sse_put_close(cwire_writer *writer) {
  cwire_writer_put_text(writer, "\n\n");
}

void cwire_sse_put_comment(cwire_writer *writer, cwire_span text) {
  if (!is_one_line(text)) {
    writer->invalid = true;
    return;
  }
  cwire_writer_put_text(writer, ": ");
  cwire_writer_put_span(writer, text);
  cwire_writer_put_text(writer, "\n\n");
}
