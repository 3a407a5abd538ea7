#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "loop/loop.h"

void cr_loop_entropy(cr_loop *loop, uint8_t *out, uint32_t count) {
  if (loop->entropy_left < count) {
    /* Up to 256 bytes are given whole and without a wait (getrandom(2)). */
    if (getentropy(loop->entropy, sizeof loop->entropy) != 0) abort();
    loop->entropy_left = sizeof loop->entropy;
  }
  loop->entropy_left -= count;
  memcpy(out, loop->entropy + loop->entropy_left, count);
}
