#include "process/chatter.h"

/* A stream is read this many times as fast as lines are told, then it rests. */
enum { SURPLUS = 16 };

/* What a line costs beside its bytes: it gets a time, a level and a name, and short ones are the
 * dearest to look at. */
enum { LINE_PRICE = 64 };

enum {
  LONGEST_REST_MS = 500, /* less than what an ended child's pipes are drained for */
  REPORT_MS = 5000,
};

static cr_bucket bucket(uint64_t rate, uint64_t burst, uint64_t now) {
  int64_t most = (int64_t)burst * 1000;
  return (cr_bucket){.rate = rate, .most = most, .credit = most, .seen = now};
}

static void fill(cr_bucket *bucket, uint64_t now) {
  uint64_t passed = now - bucket->seen;
  bucket->seen = now;
  /* So long that any debt is paid; and the product stays in range. */
  uint64_t enough = (uint64_t)(bucket->most - bucket->credit) / bucket->rate + 1;
  if (passed >= enough)
    bucket->credit = bucket->most;
  else
    bucket->credit += (int64_t)(bucket->rate * passed);
}

void cr_chatter_init(cr_chatter *chatter, uint64_t rate, uint64_t burst, uint64_t now) {
  *chatter = (cr_chatter){.told = bucket(rate, burst, now)};
  for (int i = 0; i < CR_CHATTER_STREAMS; i++)
    chatter->read[i] = bucket(rate * SURPLUS, burst * SURPLUS, now);
}

bool cr_chatter_allows(cr_chatter *chatter, size_t bytes, uint64_t now) {
  cr_bucket *told = &chatter->told;
  if (told->rate == 0) return true;
  fill(told, now);
  /* What is longer than all that there can be costs all of it: no line is left out for its length.
   */
  int64_t price = (int64_t)(bytes + LINE_PRICE) * 1000;
  if (price > told->most) price = told->most;
  if (told->credit >= price) {
    told->credit -= price;
    return true;
  }
  chatter->lines++;
  chatter->bytes += bytes;
  if (chatter->report == 0) chatter->report = now + REPORT_MS;
  return false;
}

void cr_chatter_cut(cr_chatter *chatter, size_t bytes, uint64_t now) {
  chatter->cut += bytes;
  if (chatter->report == 0) chatter->report = now + REPORT_MS;
}

bool cr_chatter_came(cr_chatter *chatter, cr_chatter_stream stream, size_t bytes, size_t lines,
                     uint64_t now) {
  cr_bucket *read = &chatter->read[stream];
  if (read->rate == 0) return false;
  fill(read, now);
  read->credit -= (int64_t)(bytes + lines * LINE_PRICE) * 1000;
  if (read->credit >= 0 || chatter->rests[stream] != 0) return false;
  uint64_t rest = (uint64_t)-read->credit / read->rate + 1;
  chatter->rests[stream] = now + (rest < LONGEST_REST_MS ? rest : LONGEST_REST_MS);
  return true;
}

bool cr_chatter_rested(cr_chatter *chatter, cr_chatter_stream stream, uint64_t now) {
  if (chatter->rests[stream] == 0 || chatter->rests[stream] > now) return false;
  chatter->rests[stream] = 0;
  return true;
}

uint64_t cr_chatter_next(const cr_chatter *chatter) {
  uint64_t next = chatter->report;
  for (int i = 0; i < CR_CHATTER_STREAMS; i++) {
    uint64_t rest = chatter->rests[i];
    if (rest != 0 && (next == 0 || rest < next)) next = rest;
  }
  return next;
}
