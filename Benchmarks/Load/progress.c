#include "progress.h"

#include <stdio.h>
#include <unistd.h>
#include <uv.h>

enum { WIDTH = 30 };
#define INTERVAL UINT64_C(200000000)

void progress_begin(progress *progress, const options *options) {
  *progress = (struct progress){.shown = !options->quiet && isatty(STDERR_FILENO)};
}

void progress_draw(progress *progress, const board *board, const char *what, double share) {
  uint64_t now = uv_hrtime(), open = 0, all = 0, errors = 0;
  if (!progress->shown || now - progress->drawn < INTERVAL) return;
  for (unsigned i = 0; i < board->workers; i++) {
    const tally *tally = &board->tallies[i];
    open += tally->open;
    all += tally->all;
    for (unsigned fault = 0; fault < FAULT_COUNT; fault++)
      errors += tally->faults[fault];
  }
  double seconds = (double)(now - progress->drawn) / 1e9;
  double rate = progress->drawn == 0 ? 0 : (double)(all - progress->all) / seconds;
  char bar[WIDTH + 1] = {0};
  for (int i = 0; i < WIDTH; i++)
    bar[i] = i < share * WIDTH ? '#' : '-';
  fprintf(stderr, "\r%-8s [%s] %3.0f%%  %llu open  %.0f /s  %llu errors \x1b[K", what, bar,
          share * 100, (unsigned long long)open, rate, (unsigned long long)errors);
  progress->drawn = now;
  progress->all = all;
}

void progress_end(progress *progress) {
  if (progress->shown) fputs("\r\x1b[K", stderr);
}
