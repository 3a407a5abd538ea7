#ifndef CREACTOR_CONNECTION_CONNECTION_H
#define CREACTOR_CONNECTION_CONNECTION_H

/* What the files of this library share about a connection; not for policy. Everything here belongs
   to the loop's thread.

   Three layers meet in one `cr_connection`: a transport below (plain, memory, TLS over one of them,
   a child's pipes), the queue in the middle, a protocol above (HTTP server, HTTP client, WebSocket,
   child). An HTTP protocol may hand its connection over to WebSocket from within its `read`.
   Bytes rise through `transport->received` to `protocol->read`; they sink through
   `cr_connection_write` to `transport->try_write` and `transport->write`.

   Two rules hold everywhere. No protocol function and no policy handler is called from within
   `cr_connection_write`, `cr_connection_close` or any other call that policy can make: what they
   cause is told later in the same turn. And a connection that is closing stays valid memory until
   its `protocol->closed` has returned, so that a callback may close its own connection and go on.
 */

#include <sys/socket.h>
#include <uv.h>

#include "creactor/connection.h"
#include "creactor/error.h"
#include "creactor/frame.h"
#include "creactor/phase.h"
#include "loop/buffer.h"
#include "loop/loop.h"
#include "loop/timer_wheel.h"

typedef struct cr_connection cr_connection;

/* How bytes travel. The downward half is called by the connection (or by the TLS layer on the
   transport below it); the upward half is called by the transport on `connection->transport`, so
   that a layer in between can take it. Plain and memory have the `cr_connection_*` functions there.
 */
typedef struct cr_transport {
  /* Bytes taken at once, or a negative errno; UV_EAGAIN when none can be taken now. Never called
     while a `write` is under way. */
  ssize_t (*try_write)(cr_connection *connection, const uv_buf_t *pieces, unsigned count);
  /* Begins to write all of it; the bytes stay put until `wrote`. At most one at a time. */
  int (*write)(cr_connection *connection, uv_write_t *request, const uv_buf_t *pieces,
               unsigned count);
  int (*read_start)(cr_connection *connection);
  void (*read_stop)(cr_connection *connection);
  /* Optional: the last words before an orderly `close`, with nothing left to write. What of them
     does not go at once is held (`cr_connection_set_held`), and `close` waits for it. */
  void (*part)(cr_connection *connection);
  /* Ends the sending side at once; called only with nothing left to write. */
  void (*shutdown)(cr_connection *connection);
  /* Gives the descriptor back (`reset`: so that the peer sees an error) and ends in
     `cr_connection_released`, never from within. */
  void (*close)(cr_connection *connection, bool reset);

  /* Optional: called when the connection's turn on the ready list comes, closing or not, for
     transports that have no event source of their own. A layer in between hands it down. */
  void (*run)(cr_connection *connection);
  /* Optional: bytes of the connection that the peer's kernel has acknowledged so far. */
  uint64_t (*taken)(cr_connection *connection);
  /* Optional: whether the kernel holds something that was not read yet, bytes or the end. */
  bool (*unread)(cr_connection *connection);

  void (*connected)(cr_connection *connection, int status);
  /* `count` bytes at `bytes`, or a negative errno (UV_EOF: orderly end). The bytes may be scribbled
   * on. */
  void (*received)(cr_connection *connection, uint8_t *bytes, ssize_t count);
  void (*wrote)(cr_connection *connection, int status);
} cr_transport;

/* What the bytes mean. Any of them may be NULL but `read` and `closed`. */
typedef struct cr_protocol {
  /* A client connection can be written to. */
  void (*connected)(cr_connection *connection);
  /* `bytes` is what was kept followed by what is new. Returns how many bytes are used up; the
     connection keeps the rest (in a pooled buffer) and gives it again in front of the next bytes.
     The span is gone after the return. May close the connection; the answer is then ignored. */
  size_t (*read)(cr_connection *connection, cwire_span bytes);
  /* The peer's end, behind all that it sent. Not told while policy pauses. */
  void (*eof)(cr_connection *connection);
  /* The queue fell below the low mark after a write had answered CR_WRITE_FULL. */
  void (*drained)(cr_connection *connection);
  /* Nothing waits; also told when nothing did before. */
  void (*flushed)(cr_connection *connection);
  void (*timer)(cr_connection *connection);
  /* Asked for by `cr_connection_defer`. */
  void (*run)(cr_connection *connection);
  /* Policy ends it and hears nothing more: in order, with the protocol's own last words, or at once
     (`abort`), so that what is unfinished is seen to be. NULL: not in this way (a child). */
  void (*end)(cr_connection *connection, bool abort);
  /* Of a protocol that listeners speak: turns a client away that was let in, with the answer that
     HTTP has the `status` for, and ends. */
  void (*refuse)(cr_connection *connection, int status);
  /* Bytes that the protocol itself keeps for the peer, and the end of a connection to make room:
     with a word to the peer where that is worth it. Of those that listeners speak. */
  size_t (*held)(const cr_connection *connection);
  void (*relieve)(cr_connection *connection);
  /* The last call. `tag` and the protocol's state are still there; afterwards the slot is free. */
  void (*closed)(cr_connection *connection, cr_error error);
} cr_protocol;

typedef enum cr_kind {
  CR_KIND_FREE = 0,
  CR_KIND_DOWNSTREAM,
  CR_KIND_UPSTREAM,
  CR_KIND_CHILD
} cr_kind;

struct cr_http_exchange;      /* http/exchange.h: what one request needs beyond the flags below */
struct cr_listener;           /* listener/listener.h */
struct cr_memory_peer;        /* connection/transport_memory.c: the far end */
struct cr_websocket;          /* websocket/websocket.h: what reading a message needs */
struct cr_websocket_settings; /* creactor/websocket.h */
struct cr_write_queue;        /* connection/write_queue.h */

struct cr_connection {
  union {
    uv_tcp_t tcp; /* must stay first: a uv handle is cast to its connection */
    uv_handle_t handle;
    uv_stream_t stream;
    struct cr_memory_peer *memory;
  };
  cr_loop *loop;
  const cr_transport *transport;
  const cr_protocol *protocol;
  void *tls; /* tls/transport.c; NULL for plain */
  uint64_t tag;
  cr_timer timer;               /* the one timer; `cr_connection_set_timer` */
  struct cr_write_queue *queue; /* NULL while nothing waits, here or in the transport */
  cr_buffer *kept;              /* bytes that came but are not used up; NULL while there are none */
  union {
    struct {
      struct cr_listener *listener;
      struct cr_http_exchange *exchange; /* NULL between requests and in the common case */
    } server;
    struct {
      struct cr_listener *listener; /* where `server` has it; NULL on the client side */
      union {
        const struct cr_websocket_settings *settings; /* at rest */
        struct cr_websocket *engaged;                 /* WS_ENGAGED: within a message */
      };
    } websocket;
    void *state; /* http/client.c, process/process.c */
  };
  uint8_t peer[16]; /* downstream: IPv6 or IPv4-mapped */
  uint32_t slot;
  uint32_t generation;
  uint32_t next;          /* free list and ready list: slot + 1, or 0 */
  uint32_t last_activity; /* low 32 bits of the loop's clock */
  cr_error error;         /* why it is closing */
  uint32_t kind : 2;      /* cr_kind */
  uint32_t reading : 1;   /* the transport was told to read */
  uint32_t paused : 1;    /* by policy: `cr_read_pause` */
  uint32_t held : 1;      /* by the protocol: `cr_connection_hold` */
  uint32_t full : 1;      /* a write answered CR_WRITE_FULL and `drained` is due */
  uint32_t reset : 1;     /* close so that the peer sees an error */
  uint32_t ready : 1;     /* in the loop's ready list */
  uint32_t deferred : 1;  /* `run` is asked for */
  uint32_t sent : 1;      /* a byte of ours reached the kernel since somebody cleared this */
  /* listener/client_address.h: its peer says whose requests these are, and has said so; the
     connection is counted among those of its client. */
  uint32_t trusted : 1, forwarded : 1, counted : 1;
  uint32_t server_state : 12; /* http/exchange.h; 0 for a WebSocket */
  uint16_t websocket_state;   /* websocket/websocket.h; 0 for all else */
  uint16_t close_code;        /* of the peer's close frame, or of ours if the peer's bytes failed */
  /* creactor/phase.h says what may follow what; only connection/phases.h changes them. */
  uint8_t phase;     /* cr_phase */
  uint8_t sending;   /* cr_sending */
  uint8_t receiving; /* cr_receiving */
};

_Static_assert(sizeof(cr_connection) <= 400, "an idle connection is this and nothing else");

static inline bool cr_is_closing(const cr_connection *connection) {
  return connection->phase >= CR_CLOSING;
}
static inline bool cr_is_connected(const cr_connection *connection) {
  return connection->phase == CR_OPEN || connection->phase == CR_FLUSHING;
}
/* The peer ended its sending side. */
static inline bool cr_has_ended(const cr_connection *connection) {
  return connection->receiving != CR_RECEIVING_OPEN;
}

/* ---- Life ---- */

/* Takes a slot; NULL when the loop is full. Set `transport` up afterwards with one of the calls
 * below. */
cr_connection *cr_connection_take(cr_loop *loop, cr_kind kind, const cr_protocol *protocol);
/* Gives back a slot whose transport was never opened; no `closed`. */
void cr_connection_untake(cr_connection *connection);

cr_id cr_connection_id(const cr_connection *connection);
/* NULL if the id is stale or the connection is closing. */
cr_connection *cr_connection_find(cr_loop *loop, cr_id id);

/* Ends it now. The first error given is the one that `protocol->closed` gets, later in the turn. */
void cr_connection_close(cr_connection *connection, cr_error error);
/* Ends it once nothing waits any more, with CR_REASON_LOCAL; at once if it was never connected. */
void cr_connection_close_flushed(cr_connection *connection);
/* Ends the sending side once nothing waits any more. */
void cr_connection_shutdown(cr_connection *connection);
/* Ends one for which an invariant of ours does not hold, and counts it. */
void cr_connection_broken(cr_connection *connection);

/* ---- Bytes ---- */

/* A piece to write: a span that is copied if the kernel does not take it, or a frame that is
 * retained. */
typedef struct cr_piece {
  cwire_span span;
  cr_frame *frame; /* NULL: `span` alone counts */
} cr_piece;

static inline cr_piece cr_piece_span(cwire_span span) {
  return (cr_piece){.span = span};
}
static inline cr_piece cr_piece_frame(cr_frame *frame) {
  return (cr_piece){.span = cr_frame_span(frame), .frame = frame};
}

/* Writes what the kernel takes and queues the rest. STALE when closing or shut down. A write error
   closes the connection (told later) and answers OK. */
cr_write cr_connection_write(cr_connection *connection, const cr_piece *pieces, size_t count);
/* The same, but small pieces wait for the end of the turn, so that what one turn writes travels in
   one system call. */
cr_write cr_connection_write_soon(cr_connection *connection, const cr_piece *pieces, size_t count);
/* Bytes that wait, in the queue or in the transport. */
size_t cr_connection_queued(const cr_connection *connection);

/* Stops and starts reading for the protocol's own reasons; policy's `cr_read_pause` counts beside
   it. Costs system calls: not for every message. */
void cr_connection_hold(cr_connection *connection, bool held);
/* Runs `protocol->run` later in this turn. */
void cr_connection_defer(cr_connection *connection);
/* Gives the kept bytes to `protocol->read` once more, now. For `run` and the like. */
void cr_connection_read_kept(cr_connection *connection);

/* Arms the one timer for an absolute time of `cr_loop_now`, or stops it with 0. Arm it lazily:
   store activity, and look at it when the timer fires. */
void cr_connection_set_timer(cr_connection *connection, uint64_t when);

/* Does what a connection on the ready list has to do. */
void cr_connection_run(cr_connection *connection);

/* ---- For transports ---- */

void cr_connection_connected(cr_connection *connection, int status);
void cr_connection_received(cr_connection *connection, uint8_t *bytes, ssize_t count);
void cr_connection_wrote(cr_connection *connection, int status);
/* How many bytes the transport has taken and holds itself: until there are none, the queue is not
   empty. A transport that came to hold some ends with `cr_connection_wrote` or `_flushed`. */
void cr_connection_set_held(cr_connection *connection, size_t bytes);
/* All that the transport held is written, while none of its `write` was under way. */
void cr_connection_flushed(cr_connection *connection);
/* The peer's bytes broke off, and nobody knows what they would have been: the connection ends with
   CR_REASON_PEER_CLOSED, that to a client when it has what waits for it. */
void cr_connection_cut_off(cr_connection *connection);
/* The descriptor is gone: `closed` is told and the slot is free. */
void cr_connection_released(cr_connection *connection);

#endif
