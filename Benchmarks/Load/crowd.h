#ifndef LOAD_CROWD_H
#define LOAD_CROWD_H

#include "client.h"

/* Many clients of one scenario, opened a few at a time. */
typedef struct crowd {
  scenario scenario;
  client *clients;
  unsigned count;
  unsigned begun;   /* those that were opened, or are being */
  unsigned opening; /* those that are being opened for the first time */
} crowd;

void crowd_make(crowd *crowd, unsigned count, unsigned first_source, const transport *transport,
                hold goal, void *owner);

/* Opens further ones, as many as may open at a time. */
void crowd_pump(crowd *crowd);

/* One of them came as far as its goal, or failed on the way; the next can begin. */
void crowd_settled_one(crowd *crowd);

/* Whether all of them were opened or have failed. */
static inline bool crowd_is_open(const crowd *crowd) {
  return crowd->begun == crowd->count && crowd->opening == 0;
}

/* Fails those that are late. */
void crowd_check(crowd *crowd, uint64_t now);

void crowd_close(crowd *crowd);

/* How many are in that state. */
unsigned crowd_count(const crowd *crowd, client_state state);

#endif
