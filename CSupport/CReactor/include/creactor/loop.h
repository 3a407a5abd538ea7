#ifndef CREACTOR_LOOP_H
#define CREACTOR_LOOP_H

#include <cwire/http1.h>
#include <cwire/span.h>
#include <stdbool.h>

#include "creactor/error.h"
#include "creactor/frame.h"
#include "creactor/mailbox.h"

/* One libuv loop and all that lives on it. Thread: everything here but `cr_mailbox_post` and
   `cr_loop_stop` belongs to the thread that runs the loop. */
typedef struct cr_loop cr_loop;

/* Names a connection or a child: worker (8 bits) | slot (24) | generation (32). 0 names nothing.
   A stale id is noticed, never dangling: calls on it answer CR_WRITE_STALE or nothing, and do
   nothing. */
typedef uint64_t cr_id;

/* What the log lacks of what a child said beside its messages. */
typedef struct cr_chatter_loss {
  uint64_t lines; /* that came faster than its rate */
  uint64_t bytes; /* of those */
  uint64_t cut;   /* bytes behind the limit of a line of its log, ends of lines not among them */
} cr_chatter_loss;

/* The one border between C and policy. Every function runs on the loop's thread, synchronously,
   may call any function of this library back, and must not keep a span beyond its return. None is
   called from within a function that policy calls: what such a call causes is told later in the
   turn, so handlers never nest. A NULL handler is one that does nothing.
   `tag` is the word that policy gave the connection with `cr_set_tag` (0 until then). */
typedef struct cr_handlers {
  /* A complete request: head parsed, body whole and decoded. Exactly one answer must follow, now or
     later: `cr_http_reply`, or `cr_http_stream_begin` … `cr_http_stream_end`. */
  void (*request)(void *context, cr_id connection, const cwire_http1_head *head, cwire_span body);
  /* The client ended its sending side while a request is unanswered or a stream is open. The
     connection can still be written to; policy decides. */
  void (*peer_ended)(void *context, cr_id connection, uint64_t tag);
  /* A downstream connection with a tag is gone, for any reason but the orderly end of its answer.
   */
  void (*closed)(void *context, cr_id connection, uint64_t tag, cr_error error);
  /* The write queue fell below its low mark after a write had answered CR_WRITE_FULL. */
  void (*drained)(void *context, cr_id connection, uint64_t tag);

  /* HTTP client connections. `response`: the head of the answer (1xx are consumed inside). Then
     `response_body` with decoded pieces; the last one has `last` (its piece may be empty) and says
     whether the connection may carry another request. If it may not, it closes by itself: nothing
     more is told about it. */
  void (*response)(void *context, cr_id connection, uint64_t tag, const cwire_http1_head *head);
  void (*response_body)(void *context, cr_id connection, uint64_t tag, cwire_span piece, bool last,
                        bool reusable);
  /* The client connection is gone: refused, timed out, reset, closed while idle or in an answer.
     `sent`: at least one byte of an unanswered request reached the kernel, so it is safe to repeat
     only if that request is. Not called after `cr_close` or `cr_abort`. */
  void (*upstream_closed)(void *context, cr_id connection, uint64_t tag, cr_error error, bool sent);
  /* An HTTP client connection is no more, whoever ended it, and its descriptor is closed: the last
     that is told of it. */
  void (*upstream_gone)(void *context, cr_id connection);

  /* A whole message of a WebSocket, either side. A text is UTF-8. */
  void (*websocket_message)(void *context, cr_id connection, uint64_t tag, cwire_span message,
                            bool binary);
  /* A client WebSocket is open: the head of the server's answer. */
  void (*websocket_opened)(void *context, cr_id connection, uint64_t tag,
                           const cwire_http1_head *head);

  /* One whole line of a child's standard output, without its line end; one of standard error. */
  void (*child_line)(void *context, cr_id child, uint64_t tag, cwire_span line);
  /* A line of its output beyond the limit: first how it begins (up to 4 KiB), then, once it has
     ended, how it ends (up to 128 bytes). */
  void (*child_overlong)(void *context, cr_id child, uint64_t tag, cwire_span part, bool ended);
  void (*child_log)(void *context, cr_id child, uint64_t tag, cwire_span line);
  /* So much of what it said beside messages was left out; told every few seconds while that goes
     on, and at its end. */
  void (*child_dropped)(void *context, cr_id child, uint64_t tag, cr_chatter_loss loss);
  /* The child is reaped and its pipes are drained; nothing of it follows. Also sent when it could
     not be started (error set, status -1). */
  void (*child_exited)(void *context, cr_id child, uint64_t tag, cr_error error, int64_t status,
                       int signal);

  void (*timer)(void *context, uint64_t token);
  void (*mail)(void *context, cr_mail *mail);
  /* Once per turn, after all events of it: the place to flush what was gathered. May be NULL. */
  void (*turn)(void *context);
} cr_handlers;

typedef struct cr_loop_options {
  uint8_t worker;            /* index in ids, below 250 */
  uint32_t max_connections;  /* downstream and upstream together */
  uint32_t write_high_water; /* bytes; default 64 KiB */
  uint32_t write_low_water;  /* bytes; default 16 KiB */
  uint32_t answer_head;      /* bytes of the head of an upstream's answer; 0: the codec's default */
  uint32_t answer_headers;   /* header fields of one; 0: the codec's default */
  size_t memory;     /* bytes buffered for all peers above which new work gets 503; 0: any number */
  bool manual_clock; /* tests: time moves by `cr_loop_advance` only */
  struct cr_reaper *reaper; /* may be NULL: children are then not watched beyond our life */
} cr_loop_options;

cr_error cr_loop_create(cr_loop **out, const cr_loop_options *options, const cr_handlers *handlers,
                        void *context);
/* Takes over the bounds among the options, which are all but worker, manual_clock and reaper. What
   is on its way goes on under them; connections beyond a lower max_connections stay. */
void cr_loop_set_bounds(cr_loop *loop, const cr_loop_options *options);
/* What handlers get from now on. */
void cr_loop_set_context(cr_loop *loop, void *context);
/* Runs until `cr_loop_stop`. */
void cr_loop_run(cr_loop *loop);
/* One turn without waiting; for tests and for one-threaded simulation. True if anything happened.
 */
bool cr_loop_step(cr_loop *loop);
/* Thread: any. */
void cr_loop_stop(cr_loop *loop);
/* While it sheds, nothing new is begun, whatever `memory` says: connections and requests get 503.
   Thread: any. */
void cr_loop_shed(cr_loop *loop, bool shedding);
/* Counts memory that policy keeps for peers of this loop, or gives back (negative), beside what the
   loop buffers for them. Thread: any. */
void cr_loop_hold(cr_loop *loop, ptrdiff_t bytes);
/* Whether nothing new is begun now: more is buffered and held than `memory`, or `cr_loop_shed` says
   so. */
bool cr_loop_is_shedding(const cr_loop *loop);
/* Makes room: ends client connections until what is buffered and held is at most `most`, as far as
   that goes. The client (IPv4 address or IPv6 /64) for whom most is buffered comes first, and of
   its connections the one with most. A body that is being collected is answered 503. The loop does
   it by itself at seven eighths of `memory`, down to three quarters, and before it refuses anybody,
   so that one client can't have all others refused. From a timer or a mailbox, not from within a
   handler of a connection. */
void cr_loop_relieve(cr_loop *loop, size_t most);
/* Gives back what is kept for the next use. For a quiet moment; from a timer, not from within a
   handler of a connection. */
void cr_loop_trim(cr_loop *loop);
/* Hands over what the mailbox holds, closes everything that is left (no other handler is called)
   and frees the loop. No other thread may post to it any more, and no loop of its group may run. */
void cr_loop_destroy(cr_loop *loop);

/* Milliseconds of the monotonic clock, read once per turn. */
uint64_t cr_loop_now(const cr_loop *loop);
void cr_loop_advance(cr_loop *loop, uint64_t milliseconds);

/* One-shot timers on the loop's wheel, for policy. The id is 0 only without memory; stopping a
   fired or unknown timer does nothing. */
uint64_t cr_timer_start(cr_loop *loop, uint64_t delay_ms, uint64_t token);
void cr_timer_stop(cr_loop *loop, uint64_t timer);

typedef struct cr_loop_counts {
  uint32_t downstream, upstream, children, timers;
  uint64_t bytes_in, bytes_out, accepted, passed_on, rejected;
  uint64_t buffered; /* bytes of pooled buffers that hold something for some peer, now */
  uint64_t held;     /* by `cr_loop_hold` */
  uint64_t relieved; /* connections ended to make room */
  uint64_t broken;   /* connections closed because an invariant of ours did not hold */
  uint64_t restless; /* connections closed for what they asked of TLS beside their data */
} cr_loop_counts;
cr_loop_counts cr_loop_count(const cr_loop *loop);

/* Clients that were sent away for the good of others, since the loop was made. */
typedef struct cr_loop_losses {
  uint64_t relieved;       /* connections ended to make room */
  uint64_t relieved_bytes; /* what was buffered for them */
  uint64_t relieved_from;  /* what was buffered and held for all when room was last made */
  uint64_t restless;       /* as in `cr_loop_counts` */
} cr_loop_losses;
/* Thread: any. */
cr_loop_losses cr_loop_lost(const cr_loop *loop);

#endif
