#ifndef LOAD_PROGRESS_H
#define LOAD_PROGRESS_H

#include "board.h"
#include "options.h"

/* The bar on a terminal, drawn anew a few times a second. */
typedef struct progress {
  bool shown;
  uint64_t drawn; /* ns */
  uint64_t all;   /* operations when it was */
} progress;

void progress_begin(progress *progress, const options *options);
/* `share` of this phase is done, 0 to 1. */
void progress_draw(progress *progress, const board *board, const char *what, double share);
void progress_end(progress *progress);

#endif
