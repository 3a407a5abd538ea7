#ifndef CREACTOR_PROCESS_CHATTER_H
#define CREACTOR_PROCESS_CHATTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a child may say beside its messages: lines on its stderr, and what is no message on its
   stdout. Bytes come out of a token bucket; a line that finds too few in it is left out and
   counted. A stream that brings many times as much is left unread for a while, so that a flood
   costs the child its time and not us ours. Times are milliseconds of the loop's clock. */

typedef struct cr_bucket {
  uint64_t rate;  /* bytes per second; 0: no bound */
  int64_t most;   /* thousandths of a byte, so that no rate loses any between two looks */
  int64_t credit; /* thousandths of a byte; below 0: a debt */
  uint64_t seen;  /* when `credit` was that */
} cr_bucket;

typedef enum cr_chatter_stream {
  CR_CHATTER_OUTPUT,
  CR_CHATTER_LOG,
  CR_CHATTER_STREAMS
} cr_chatter_stream;

typedef struct cr_chatter {
  cr_bucket told;
  cr_bucket read[CR_CHATTER_STREAMS];
  uint64_t rests[CR_CHATTER_STREAMS]; /* until when a stream is not read; 0: it is */
  uint64_t lines, bytes;              /* left out, and nobody was told yet */
  uint64_t cut;                       /* bytes behind what is told of longer lines; as above */
  uint64_t report;                    /* when that is to be told; 0: there is nothing to tell */
} cr_chatter;

void cr_chatter_init(cr_chatter *chatter, uint64_t rate, uint64_t burst, uint64_t now);
/* Whether a line of so many bytes, its end included, may be told. If not it is counted. */
bool cr_chatter_allows(cr_chatter *chatter, size_t bytes, uint64_t now);
/* So many bytes of a line were skipped since it is too long, whether its beginning was told or not.
 */
void cr_chatter_cut(cr_chatter *chatter, size_t bytes, uint64_t now);
/* So much came on a stream beside messages, in so many lines that somebody had to look at. True if
   it is to rest now. */
bool cr_chatter_came(cr_chatter *chatter, cr_chatter_stream stream, size_t bytes, size_t lines,
                     uint64_t now);
/* Ends the rest of a stream whose time has come. */
bool cr_chatter_rested(cr_chatter *chatter, cr_chatter_stream stream, uint64_t now);
/* When one of these times comes next; 0: never. */
uint64_t cr_chatter_next(const cr_chatter *chatter);

#endif
