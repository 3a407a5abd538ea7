#include "board.h"

#include <sys/mman.h>
#include <time.h>

#include "template.h"

board *board_make(unsigned workers, uint64_t publications) {
  size_t tallies = sizeof(board) + workers * sizeof(tally);
  size_t size = tallies + publications * sizeof(uint64_t);
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return NULL;
  board *board = memory;
  board->workers = workers;
  board->size = size;
  board->first_event = TEMPLATE_FIRST + (uint64_t)(time(NULL) % 80000) * 100000 + 1;
  board->published = (_Atomic uint64_t *)((char *)memory + tallies);
  return board;
}
