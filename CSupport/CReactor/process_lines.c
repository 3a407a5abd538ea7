#include "process_lines.h"

#include <stdlib.h>

/* A buffer above this is given back once its line is done; most lines never need one. */
enum { KEEP_CAPACITY = 64 * 1024, FIRST_CAPACITY = 4096 };

static bool keep(cr_lines *lines, cwire_span bytes) {
  if (bytes.length == 0) return true;
  size_t needed = lines->length + bytes.length;
  if (needed > lines->capacity) {
    size_t capacity = lines->capacity == 0 ? FIRST_CAPACITY : lines->capacity;
    while (capacity < needed)
      capacity *= 2;
    uint8_t *grown = realloc(lines->kept, capacity);
    if (grown == NULL) return false;
    lines->kept = grown;
    lines->capacity = capacity;
  }
  memcpy(lines->kept + lines->length, bytes.base, bytes.length);
  lines->length = needed;
  return true;
}

static void deliver(cwire_span line, cr_line_handler handler, void *context) {
  if (line.length > 0 && line.base[line.length - 1] == '\r') line.length--;
  handler(context, line);
}

static void deliver_kept(cr_lines *lines, cr_line_handler handler, void *context) {
  cwire_span line = cwire_span_make(lines->kept, lines->length);
  lines->length = 0;
  deliver(line, handler, context);
  if (lines->capacity > KEEP_CAPACITY) cr_lines_free(lines);
}

/* Takes one line's further bytes; false if there is no place for them. */
static bool grow_line(cr_lines *lines, cwire_span part, cr_line_handler handler, void *context) {
  if (lines->skipping) return true;
  if (lines->length + part.length <= lines->max) return keep(lines, part);
  if (!lines->cut) return false;
  if (!keep(lines, cwire_span_make(part.base, lines->max - lines->length))) return false;
  deliver_kept(lines, handler, context);
  lines->skipping = true;
  return true;
}

bool cr_lines_feed(cr_lines *lines, cwire_span input, cr_line_handler handler, void *context) {
  while (input.length > 0) {
    const uint8_t *end = memchr(input.base, '\n', input.length);
    size_t length = end == NULL ? input.length : (size_t)(end - input.base);
    cwire_span part = cwire_span_make(input.base, length);
    size_t used = end == NULL ? length : length + 1;
    input = cwire_span_make(input.base + used, input.length - used);

    if (end != NULL && lines->length == 0 && !lines->skipping && length <= lines->max) {
      deliver(part, handler, context);
      continue;
    }
    if (!grow_line(lines, part, handler, context)) return false;
    if (end == NULL) continue;
    if (!lines->skipping) deliver_kept(lines, handler, context);
    lines->skipping = false;
  }
  return true;
}

void cr_lines_finish(cr_lines *lines, cr_line_handler handler, void *context) {
  if (lines->length > 0) deliver_kept(lines, handler, context);
  cr_lines_free(lines);
}

void cr_lines_free(cr_lines *lines) {
  free(lines->kept);
  lines->kept = NULL;
  lines->length = lines->capacity = 0;
}
