#include "events.h"

void events_take(client *client, cwire_span piece, events_handler *take) {
  while (client->state != CLIENT_CLOSING && client->state != CLIENT_CLOSED) {
    cwire_sse_event event;
    switch (cwire_sse_next(&client->parser, &piece, &event)) {
    case CWIRE_SSE_MORE:
      return;
    case CWIRE_SSE_COMMENT:
      break;
    case CWIRE_SSE_DATA:
      if (event.newline) bytes_text(&client->incoming, "\n");
      bytes_append(&client->incoming, event.data);
      break;
    case CWIRE_SSE_END:
      if (event.has_data && !event.data_is_empty)
        take(client, event.type, bytes_span(&client->incoming));
      bytes_clear(&client->incoming);
      break;
    }
  }
}
