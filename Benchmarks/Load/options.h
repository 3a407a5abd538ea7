#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "target.h"

typedef enum mode_kind { MODE_CALL, MODE_IDLE, MODE_FANOUT, MODE_CHURN, MODE_MIX } mode_kind;

typedef enum era {
  ERA_LEGACY, /* 2025-11-25: `initialize` first */
  ERA_MODERN, /* 2026-07-28: an envelope in each request */
  ERA_NONE,   /* no MCP: the body is sent as it is */
} era;

typedef enum transport_kind { TRANSPORT_HTTP, TRANSPORT_SSE, TRANSPORT_WEBSOCKET } transport_kind;

/* What a connection is brought to before it is left alone. */
typedef enum hold {
  HOLD_CONNECT, /* connected, TLS and WebSocket handshakes made */
  HOLD_OPEN,    /* and the protocol's own opening */
  HOLD_CALL,    /* and one call answered */
  HOLD_LISTEN,  /* and an event stream or a subscription open */
} hold;

enum { OPTIONS_HEADERS = 32, OPTIONS_PIDS = 32 };

/* The command line. Static for the process and its forks. */
typedef struct options {
  mode_kind mode;
  target target;
  const char *url;
  era era;
  transport_kind transport;

  unsigned connections;
  unsigned idle; /* mix: further ones that are held */
  hold hold;     /* idle and mix: what they hold */
  unsigned processes;
  unsigned sources;
  unsigned opening; /* at most so many connections open at once */

  double rate;       /* per second, 0: closed loop */
  uint64_t duration; /* ns */
  uint64_t warmup;   /* ns */
  uint64_t calls;    /* 0: as many as the duration allows */
  uint64_t timeout;  /* ns */
  unsigned each;     /* churn: calls for each connection */

  const char *tool;
  const char *arguments;
  const char *body;
  const char *expect;
  uint64_t size;
  const char *headers[OPTIONS_HEADERS];
  unsigned header_count;
  const char *authorities;
  bool resume;
  bool compression;
  const char *protocol;

  target publish;
  const char *publish_url;
  const char *publish_body;
  const char *topic;
  uint64_t publications;

  pid_t pids[OPTIONS_PIDS];
  unsigned pid_count;
  bool tree;

  const char *json;
  const char *csv;
  const char *label;
  bool quiet;
} options;

/* Reads the command line; ends the process with 2 and a message when it is wrong, with 0 after
   --help. */
void options_read(options *options, int count, char **arguments);

const char *options_mode_name(const options *options);
const char *options_era_name(const options *options);
const char *options_transport_name(const options *options);

#endif
