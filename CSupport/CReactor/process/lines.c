#include "process/lines.h"

#include <stdlib.h>

/* A buffer above this is given back once its line is done; most lines never need one. */
enum { KEEP_CAPACITY = 64 * 1024, FIRST_CAPACITY = 4096 };

/* A line that goes on for so many times its limit has no end worth waiting for. */
enum { SKIPPED_LIMITS = 16 };

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

static void deliver(cwire_span line, const cr_line_handlers *handlers, void *context) {
  if (line.length > 0 && line.base[line.length - 1] == '\r') line.length--;
  handlers->line(context, line);
}

/* Counts what is skipped of a line that is cut. */
static void count_cut(size_t bytes, const cr_line_handlers *handlers, void *context) {
  if (bytes > 0 && handlers->cut != NULL) handlers->cut(context, bytes);
}

static void deliver_kept(cr_lines *lines, const cr_line_handlers *handlers, void *context) {
  cwire_span line = cwire_span_make(lines->kept, lines->length);
  lines->length = 0;
  deliver(line, handlers, context);
  if (lines->capacity > KEEP_CAPACITY) cr_lines_free(lines);
}

/* Remembers the last bytes of what is skipped; false if the line goes on for too long. */
static bool skip(cr_lines *lines, cwire_span part) {
  lines->skipped += part.length;
  size_t fresh = part.length < CR_LINE_TAIL ? part.length : CR_LINE_TAIL;
  size_t old =
      CR_LINE_TAIL - fresh < lines->tail_length ? CR_LINE_TAIL - fresh : lines->tail_length;
  memmove(lines->tail, lines->tail + lines->tail_length - old, old);
  if (fresh > 0) memcpy(lines->tail + old, part.base + part.length - fresh, fresh);
  lines->tail_length = (uint8_t)(old + fresh);
  return lines->skipped / SKIPPED_LIMITS <= lines->max;
}

/* The line turns out to be too long with `part`, whose rest is then skipped. */
static bool begin_skipping(cr_lines *lines, cwire_span part, const cr_line_handlers *handlers,
                           void *context) {
  size_t wanted = handlers->overlong == NULL ? lines->max : CR_LINE_HEAD;
  size_t more = wanted > lines->length ? wanted - lines->length : 0;
  if (more > part.length) more = part.length;
  if (!keep(lines, cwire_span_take(part, more))) return false;
  lines->skipping = true;
  lines->skipped = 0;
  lines->tail_length = 0;
  if (handlers->overlong == NULL) {
    /* Here it ends nothing, and is not delivered all the same. */
    bool loses_one = lines->length > 0 && lines->kept[lines->length - 1] == '\r';
    deliver_kept(lines, handlers, context);
    count_cut(part.length - more + loses_one, handlers, context);
    return true;
  }
  cwire_span head = cwire_span_make(lines->kept, lines->length);
  lines->length = 0;
  handlers->overlong(context, cwire_span_take(head, CR_LINE_HEAD), false);
  if (lines->capacity > KEEP_CAPACITY) cr_lines_free(lines);
  return skip(lines, part);
}

static void end_skipping(cr_lines *lines, const cr_line_handlers *handlers, void *context) {
  lines->skipping = false;
  if (handlers->overlong == NULL) return;
  handlers->overlong(context, cwire_span_make(lines->tail, lines->tail_length), true);
}

/* Takes one line's further bytes; false if nothing more can be read. */
static bool grow_line(cr_lines *lines, cwire_span part, const cr_line_handlers *handlers,
                      void *context) {
  if (lines->skipping && handlers->overlong == NULL) {
    count_cut(part.length, handlers, context);
    return true;
  }
  if (lines->skipping) return skip(lines, part);
  if (lines->length + part.length <= lines->max) return keep(lines, part);
  return begin_skipping(lines, part, handlers, context);
}

bool cr_lines_feed(cr_lines *lines, cwire_span input, const cr_line_handlers *handlers,
                   void *context) {
  while (input.length > 0) {
    const uint8_t *end = memchr(input.base, '\n', input.length);
    size_t length = end == NULL ? input.length : (size_t)(end - input.base);
    cwire_span part = cwire_span_make(input.base, length);
    size_t used = end == NULL ? length : length + 1;
    input = cwire_span_make(input.base + used, input.length - used);

    if (end != NULL && lines->length == 0 && !lines->skipping && length <= lines->max) {
      deliver(part, handlers, context);
      continue;
    }
    if (!grow_line(lines, part, handlers, context)) return false;
    if (end == NULL) continue;
    if (lines->skipping) {
      end_skipping(lines, handlers, context);
    } else {
      deliver_kept(lines, handlers, context);
    }
  }
  return true;
}

void cr_lines_finish(cr_lines *lines, const cr_line_handlers *handlers, void *context) {
  if (lines->length > 0) deliver_kept(lines, handlers, context);
  cr_lines_free(lines);
}

void cr_lines_free(cr_lines *lines) {
  free(lines->kept);
  lines->kept = NULL;
  lines->length = lines->capacity = 0;
}
