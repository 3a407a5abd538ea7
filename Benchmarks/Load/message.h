#ifndef LOAD_MESSAGE_H
#define LOAD_MESSAGE_H

#include "options.h"
#include "template.h"

/* One message to send, and what an HTTP head has to say about it. */
typedef struct message {
  bytes body;
  const char *method; /* NULL: it is no MCP message */
  const char *name;   /* Mcp-Name, NULL without one */
  bool answered;      /* a response will come */
} message;

void message_free(message *message);

/* `initialize`, offering 2025-11-25. */
message message_initialize(uint64_t id);
message message_initialized(void);
/* `resources/subscribe` of legacy sessions. */
message message_subscribe(uint64_t id, const char *uri);
/* `subscriptions/listen`: an acknowledgement comes, and no response. */
message message_listen(uint64_t id, const char *uri);

/* The text of a tools/call with `{n}` as its id, for a template. Where the arguments come last
   within `params` or the envelope follows them is the era's. */
void message_call_text(bytes *text, const options *options);

/* The headers that a revision wants on a POST of the message, each with its line end. */
void message_put_headers(bytes *head, era era, const char *method, const char *name,
                         const char *session);

#endif
