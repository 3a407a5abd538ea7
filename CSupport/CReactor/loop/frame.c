#include "creactor/frame.h"

#include <stdlib.h>

struct cr_frame {
  _Atomic(uint32_t) references;
  size_t length;
  uint8_t bytes[];
};

cr_frame *cr_frame_reserve(size_t length) {
  if (length > SIZE_MAX - sizeof(cr_frame)) return NULL;
  cr_frame *frame = malloc(sizeof *frame + length);
  if (!frame) return NULL;
  atomic_init(&frame->references, 1);
  frame->length = length;
  return frame;
}

cr_frame *cr_frame_make(const cwire_span *pieces, size_t count) {
  size_t length = 0;
  for (size_t index = 0; index < count; index++) {
    if (pieces[index].length > SIZE_MAX - length) return NULL;
    length += pieces[index].length;
  }
  cr_frame *frame = cr_frame_reserve(length);
  if (!frame) return NULL;
  uint8_t *end = frame->bytes;
  for (size_t index = 0; index < count; index++) {
    if (pieces[index].length == 0) continue;
    memcpy(end, pieces[index].base, pieces[index].length);
    end += pieces[index].length;
  }
  return frame;
}

void cr_frame_trim(cr_frame *frame, size_t length) {
  if (length < frame->length) frame->length = length;
}

cr_frame *cr_frame_retain(cr_frame *frame) {
  atomic_fetch_add_explicit(&frame->references, 1, memory_order_relaxed);
  return frame;
}

void cr_frame_release(cr_frame *frame) {
  if (!frame) return;
  /* Release publishes this owner's reads before the last owner frees; acquire orders the free
   * after. */
  if (atomic_fetch_sub_explicit(&frame->references, 1, memory_order_acq_rel) == 1) free(frame);
}

cwire_span cr_frame_span(const cr_frame *frame) {
  return cwire_span_make(frame->bytes, frame->length);
}

uint8_t *cr_frame_bytes(cr_frame *frame) {
  return frame->bytes;
}
