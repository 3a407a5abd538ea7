#ifndef CREACTOR_PROCESS_LINES_H
#define CREACTOR_PROCESS_LINES_H

#include <cwire/span.h>

/* What is told of a line of more than `max` bytes: so much of its beginning, then of its end. */
enum { CR_LINE_HEAD = 4096, CR_LINE_TAIL = 128 };

/* Cuts a byte stream into lines. A line that lies whole in the input is delivered from there; only
 * what is left at its end is copied. All zero but for `max` is an empty one. */
typedef struct cr_lines {
  uint8_t *kept; /* the start of a line whose end has not come */
  size_t length, capacity;
  size_t max;     /* bytes of a line without its end */
  size_t skipped; /* bytes of the line being skipped */
  bool skipping;  /* the rest of a line that is too long */
  uint8_t tail_length;
  uint8_t tail[CR_LINE_TAIL]; /* the last bytes that were skipped */
} cr_lines;

typedef struct cr_line_handlers {
  void (*line)(void *context, cwire_span line);
  /* A line longer than `max`: first how it begins, then, once it has come to its end, how it ends.
   * The rest of it is skipped. NULL: it is cut to `max` instead. */
  void (*overlong)(void *context, cwire_span part, bool ended);
  /* Where lines are cut: so many further bytes of this one were skipped, its end not among them. */
  void (*cut)(void *context, size_t bytes);
} cr_line_handlers;

/* False if memory is out, or a line is many times longer than it may be: nothing more can be read
 * then. */
bool cr_lines_feed(cr_lines *lines, cwire_span input, const cr_line_handlers *handlers,
                   void *context);

/* Delivers a last line that never got its end, if there is one, and frees what is kept. */
void cr_lines_finish(cr_lines *lines, const cr_line_handlers *handlers, void *context);
void cr_lines_free(cr_lines *lines);

#endif
