#ifndef CREACTOR_PRIVATE_PROCESS_LINES_H
#define CREACTOR_PRIVATE_PROCESS_LINES_H

#include <cwire/span.h>

/* Cuts a byte stream into lines. A line that lies whole in the input is delivered from there; only
 * what is left at its end is copied. All zero but for `max` and `cut` is an empty one. */
typedef struct cr_lines {
  uint8_t *kept; /* the start of a line whose end has not come */
  size_t length, capacity;
  size_t max;    /* bytes of a line without its end */
  bool cut;      /* a longer line is cut to `max`; otherwise it is an error */
  bool skipping; /* the rest of a line that was cut */
} cr_lines;

typedef void (*cr_line_handler)(void *context, cwire_span line);

/* False if a line is longer than it may be: nothing more can be read then. */
bool cr_lines_feed(cr_lines *lines, cwire_span input, cr_line_handler handler, void *context);

/* Delivers a last line that never got its end, if there is one, and frees what is kept. */
void cr_lines_finish(cr_lines *lines, cr_line_handler handler, void *context);
void cr_lines_free(cr_lines *lines);

#endif
