#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>

void crowd_make(crowd *crowd, unsigned count, unsigned first_source, const transport *transport,
                hold goal, void *owner) {
  crowd->count = count;
  crowd->clients = calloc(count, sizeof *crowd->clients);
  if (crowd->clients == NULL && count > 0) {
    fprintf(stderr, "sluice-load: out of memory\n");
    exit(2);
  }
  for (unsigned i = 0; i < count; i++) {
    client *client = &crowd->clients[i];
    client->scenario = &crowd->scenario;
    client->transport = transport;
    client->owner = owner;
    client->goal = goal;
    client->source = first_source + i;
  }
}

void crowd_pump(crowd *crowd) {
  while (crowd->begun < crowd->count && crowd->opening < crowd->scenario.options->opening) {
    crowd->opening++;
    client_open(&crowd->clients[crowd->begun++]);
  }
}

void crowd_settled_one(crowd *crowd) {
  crowd->opening--;
  crowd_pump(crowd);
}

void crowd_check(crowd *crowd, uint64_t now) {
  for (unsigned i = 0; i < crowd->begun; i++)
    client_check(&crowd->clients[i], now);
}

void crowd_close(crowd *crowd) {
  for (unsigned i = 0; i < crowd->begun; i++)
    client_close(&crowd->clients[i]);
}

unsigned crowd_count(const crowd *crowd, client_state state) {
  unsigned count = 0;
  for (unsigned i = 0; i < crowd->begun; i++)
    count += crowd->clients[i].state == state;
  return count;
}
