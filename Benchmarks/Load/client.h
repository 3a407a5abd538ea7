#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include <cwire/sse.h>
#include <cwire/websocket.h>

#include "connection.h"
#include "exchange.h"
#include "message.h"
#include "options.h"

/* One MCP client: connects, opens the protocol as far as its goal says, makes calls one after the
   other, and takes what comes. What a transport does lies behind `transport`. */
typedef struct client client;

typedef struct client_events {
  /* It has come as far as its goal. */
  void (*opened)(client *client);
  /* A call has ended, and the client can make another. */
  void (*answered)(client *client, fault fault);
  /* An event reached a listening client: the number in its mark, 0 if it has none. */
  void (*event)(client *client, uint64_t number);
  /* It failed, in a call or not. It is being closed. */
  void (*lost)(client *client, fault fault);
  /* Closed, be it that it was asked to or that it failed: it can be opened again. */
  void (*closed)(client *client);
} client_events;

/* What all clients of a process have in common. */
typedef struct scenario {
  const options *options;
  era era; /* of these clients: a publisher has none */
  connector connector;
  const client_events *events;
  void *owner;
  template call;
  template expect; /* empty: anything */
  bool expect_same;
  uint64_t number; /* of the last call */
} scenario;

typedef enum client_state {
  CLIENT_CLOSED,
  CLIENT_OPENING,
  CLIENT_READY,
  CLIENT_CALLING,
  CLIENT_CLOSING,
} client_state;

typedef enum client_step {
  STEP_CONNECT,
  STEP_INITIALIZE,
  STEP_INITIALIZED,
  STEP_SUBSCRIBE,
  STEP_LISTEN,
  STEP_DONE,
} client_step;

/* How messages travel. Each function belongs to one transport's file. */
typedef struct transport {
  /* Begins to connect; `client_connected` follows. */
  void (*open)(client *client);
  /* Sends a message that is no call; `client_settle` follows when the next can be sent. */
  void (*send)(client *client, const message *message);
  /* Makes `call` of the client: what goes in front of the body of a call, and that body. */
  void (*prepare)(client *client);
  /* Sends it; the number is written into it already. */
  void (*call)(client *client);
  /* Opens the stream on which events come without being asked for; `client_listens` follows. */
  void (*listen)(client *client);
  /* Ends it in order; `connection_close` of what is open follows. */
  void (*finish)(client *client);
} transport;

extern const transport transport_http, transport_sse, transport_websocket;

struct client {
  scenario *scenario;
  const transport *transport;
  void *owner;
  client_state state;
  client_step step;
  hold goal;
  unsigned source;
  bool answer_due;   /* of the message sent last */
  bool busy;         /* the transport can't send yet */
  bool listening;    /* what comes are events */
  bool spent;        /* the server ends the connection after this answer: close it, call no more */
  fault outcome;     /* of the call whose transport is not free yet */
  uint64_t number;   /* of the message sent last, its id */
  uint64_t due;      /* ns: when the call should have been sent */
  uint64_t deadline; /* ns: of opening, of the call, of closing; 0: none */
  uint64_t round;    /* churn: ns, when it began */
  uint64_t next_event; /* fanout: the one that is to come */
  unsigned calls;      /* since it was opened */
  bytes call;
  size_t call_body; /* where the body begins in it */
  bytes incoming;   /* of a message that has not come whole */
  char session[128];

  connection main; /* all of it; with HTTP+SSE the event stream */
  connection side; /* HTTP+SSE: the POSTs */
  exchange main_exchange;
  exchange side_exchange;
  bool events; /* the answer that comes is an event stream */
  cwire_sse_parser parser;
  bool upgraded;
  cwire_ws_reader reader;
  char endpoint[512]; /* HTTP+SSE: where to POST to */
};

/* ---- For modes ---- */

void client_open(client *client);
void client_call(client *client, uint64_t due);
/* Ends it in order, whatever it does; `closed` follows. */
void client_close(client *client);
/* Fails it if it is late. */
void client_check(client *client, uint64_t now);

/* ---- For transports ---- */

void client_connected(client *client);
/* A whole message came. */
void client_message(client *client, cwire_span message);
/* The transport can send again. */
void client_settle(client *client);
void client_listens(client *client);
void client_fail(client *client, fault fault);
/* One of its connections is closed. */
void client_gone(client *client);
/* What came of `call` as HTTP: 200, or what else is right for it. */
void client_answer_status(client *client, int status);

#endif
