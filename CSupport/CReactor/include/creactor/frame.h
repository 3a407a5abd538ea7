#ifndef CREACTOR_FRAME_H
#define CREACTOR_FRAME_H

#include <cwire/span.h>
#include <stdatomic.h>

/* An immutable, encoded piece of bytes that many connections on many threads may queue at once. */
typedef struct cr_frame cr_frame;

/* A frame of `length` bytes copied from the pieces, one reference held by the caller; NULL without
 * memory. */
cr_frame *cr_frame_make(const cwire_span *pieces, size_t count);

/* A frame of `length` bytes that the caller fills through `cr_frame_bytes` before it shares it. */
cr_frame *cr_frame_reserve(size_t length);

/* Makes it shorter, before it is shared. */
void cr_frame_trim(cr_frame *frame, size_t length);

/* Thread: any. */
cr_frame *cr_frame_retain(cr_frame *frame);
void cr_frame_release(cr_frame *frame);

cwire_span cr_frame_span(const cr_frame *frame);
uint8_t *cr_frame_bytes(cr_frame *frame);

#endif
