#ifndef LOAD_EVENTS_H
#define LOAD_EVENTS_H

#include "client.h"

/* Feeds a piece of an event stream to the client's parser and tells `take` of each event that has
   data, with its type. Stops when the client is being closed. */
typedef void events_handler(client *client, cwire_span type, cwire_span data);
void events_take(client *client, cwire_span piece, events_handler *take);

#endif
