#include "connection/transport_memory.h"

#include <stdlib.h>
#include <string.h>

#include "connection/ready.h"

/* Bytes of one direction. */
typedef struct stream {
  uint8_t *bytes;
  size_t begin, end, capacity;
} stream;

struct cr_memory_peer {
  cr_connection *connection; /* NULL once the gateway's end is gone */
  cr_fault_plan faults;
  stream inbound;                       /* toward the gateway */
  stream outbound;                      /* from it */
  const struct cr_intercept *intercept; /* until `arrived` was told */
  uint64_t written;                     /* counts from the last plan on */
  uint64_t taken;
  uint32_t attempts;
  size_t window;          /* untaken bytes beyond which no more are accepted; 0: any number */
  const uv_buf_t *pieces; /* of the write under way: a copy, but not of their bytes */
  unsigned piece_count;
  size_t piece_done;
  stream promised; /* their bytes as they were when the write began */
  bool reading, writing, closing;
  bool peer_ended, peer_reset; /* by the test */
  bool ended;                  /* by the gateway */
  bool end_told;
  bool stalled;
  bool abandoned; /* the test freed its end */
};

struct cr_intercept {
  struct cr_intercept *next;
  void (*arrived)(void *context, cr_memory_peer *peer);
  void *context;
  char host[];
};

static bool append(stream *stream, const void *bytes, size_t length) {
  if (stream->end + length > stream->capacity) {
    size_t capacity = 2 * (stream->end + length);
    uint8_t *larger = realloc(stream->bytes, capacity);
    if (!larger) return false;
    stream->bytes = larger;
    stream->capacity = capacity;
  }
  if (length) memcpy(stream->bytes + stream->end, bytes, length);
  stream->end += length;
  return true;
}

static size_t left(const stream *stream) {
  return stream->end - stream->begin;
}

static void consume(stream *stream, size_t length) {
  stream->begin += length;
  if (stream->begin == stream->end) stream->begin = stream->end = 0;
}

static void free_if_done(cr_memory_peer *peer) {
  if (peer->connection || !peer->abandoned) return;
  free(peer->inbound.bytes);
  free(peer->outbound.bytes);
  free(peer->promised.bytes);
  free((void *)(uintptr_t)peer->pieces);
  free(peer);
}

static void wake(cr_memory_peer *peer) {
  if (peer->connection) cr_loop_make_ready(peer->connection->loop, peer->connection);
}

/* How many of `length` bytes the plan lets through now; UV_EAGAIN: none; other negatives: the
 * connection is reset. */
static ssize_t allowed(cr_memory_peer *peer, size_t length) {
  const cr_fault_plan *faults = &peer->faults;
  if (peer->peer_reset) return UV_ECONNRESET;
  size_t most = faults->max_write && faults->max_write < length ? faults->max_write : length;
  if (peer->window && !peer->abandoned) {
    size_t untaken = left(&peer->outbound);
    if (untaken >= peer->window) return UV_EAGAIN;
    if (most > peer->window - untaken) most = peer->window - untaken;
  }
  if (faults->reset_after == 0) return (ssize_t)most;
  uint64_t until = faults->reset_after - peer->written;
  if (most < until) return (ssize_t)most;
  peer->peer_reset = true;
  wake(peer);
  return until ? (ssize_t)until : UV_ECONNRESET;
}

/* Moves what the plan allows of the pieces from byte `skip` on. */
static ssize_t transfer(cr_memory_peer *peer, const uv_buf_t *pieces, unsigned count, size_t skip) {
  size_t length = 0;
  for (unsigned index = 0; index < count; index++)
    length += pieces[index].len;
  ssize_t take = allowed(peer, length - skip);
  if (take <= 0) return take;
  size_t rest = (size_t)take;
  for (unsigned index = 0; index < count && rest > 0; index++) {
    size_t size = pieces[index].len;
    if (skip >= size) {
      skip -= size;
      continue;
    }
    size_t part = size - skip < rest ? size - skip : rest;
    if (!peer->abandoned && !append(&peer->outbound, pieces[index].base + skip, part))
      return UV_ENOMEM;
    rest -= part;
    skip = 0;
  }
  peer->written += (uint64_t)take;
  peer->taken += (uint64_t)take;
  return take;
}

static ssize_t memory_try_write(cr_connection *connection, const uv_buf_t *pieces, unsigned count) {
  cr_memory_peer *peer = connection->memory;
  peer->attempts++;
  if (peer->stalled) return UV_EAGAIN;
  if (peer->faults.again_every && peer->attempts % peer->faults.again_every == 0) return UV_EAGAIN;
  return transfer(peer, pieces, count, 0);
}

static int memory_write(cr_connection *connection, uv_write_t *request, const uv_buf_t *pieces,
                        unsigned count) {
  (void)request;
  cr_memory_peer *peer = connection->memory;
  uv_buf_t *copy = malloc(count * sizeof *copy);
  if (!copy) return UV_ENOMEM;
  memcpy(copy, pieces, count * sizeof *copy);
  peer->promised.begin = peer->promised.end = 0;
  for (unsigned index = 0; index < count; index++) {
    if (append(&peer->promised, pieces[index].base, pieces[index].len)) continue;
    free(copy);
    return UV_ENOMEM;
  }
  peer->pieces = copy;
  peer->piece_count = count;
  peer->piece_done = 0;
  peer->writing = true;
  wake(peer);
  return 0;
}

static int memory_read_start(cr_connection *connection) {
  connection->memory->reading = true;
  wake(connection->memory);
  return 0;
}

static void memory_read_stop(cr_connection *connection) {
  connection->memory->reading = false;
}

static uint64_t memory_taken(cr_connection *connection) {
  return connection->memory->taken;
}

static void memory_shutdown(cr_connection *connection) {
  connection->memory->ended = true;
}

static void memory_close(cr_connection *connection, bool reset) {
  (void)reset;
  connection->memory->closing = true;
  connection->memory->ended = true;
  wake(connection->memory);
}

static void end_write(cr_connection *connection, int status) {
  cr_memory_peer *peer = connection->memory;
  free((void *)(uintptr_t)peer->pieces);
  peer->pieces = NULL;
  peer->writing = false;
  connection->transport->wrote(connection, status);
}

/* The bytes of a write stay put until `wrote`: a kernel sends whatever is there by then, be it
 * another connection's. The last `count` bytes that went out must be those that were given. */
static void check_promise(cr_memory_peer *peer, size_t count) {
  if (peer->abandoned || count == 0) return;
  const uint8_t *sent = peer->outbound.bytes + peer->outbound.end - count;
  if (memcmp(sent, peer->promised.bytes + peer->piece_done, count) != 0) abort();
}

static void run_write(cr_connection *connection) {
  cr_memory_peer *peer = connection->memory;
  if (peer->stalled) return;
  size_t length = 0;
  for (unsigned index = 0; index < peer->piece_count; index++)
    length += peer->pieces[index].len;
  ssize_t taken = transfer(peer, peer->pieces, peer->piece_count, peer->piece_done);
  if (taken == UV_EAGAIN) return;
  if (taken < 0) {
    end_write(connection, (int)taken);
    return;
  }
  check_promise(peer, (size_t)taken);
  peer->piece_done += (size_t)taken;
  if (peer->piece_done == length)
    end_write(connection, 0);
  else
    wake(peer);
}

static void run_read(cr_connection *connection) {
  cr_memory_peer *peer = connection->memory;
  size_t length = left(&peer->inbound);
  if (length > CR_READ_BUFFER) length = CR_READ_BUFFER;
  if (peer->peer_reset) {
    if (!peer->end_told) connection->transport->received(connection, NULL, UV_ECONNRESET);
    peer->end_told = true;
  } else if (length > 0) {
    /* A copy of exactly that size, so that a sanitizer sees who keeps a span for too long. */
    uint8_t *copy = malloc(length);
    if (!copy) return;
    memcpy(copy, peer->inbound.bytes + peer->inbound.begin, length);
    consume(&peer->inbound, length);
    connection->transport->received(connection, copy, (ssize_t)length);
    free(copy);
    if (left(&peer->inbound) || peer->peer_ended) wake(peer);
  } else if (peer->peer_ended && !peer->end_told) {
    peer->end_told = true;
    connection->transport->received(connection, NULL, UV_EOF);
  }
}

static void run_connect(cr_connection *connection) {
  cr_memory_peer *peer = connection->memory;
  const struct cr_intercept *intercept = peer->intercept;
  peer->intercept = NULL;
  if (!intercept->arrived) {
    peer->abandoned = true;
    connection->transport->connected(connection, UV_ECONNREFUSED);
    return;
  }
  intercept->arrived(intercept->context, peer);
  connection->transport->connected(connection, 0);
}

static void memory_run(cr_connection *connection) {
  cr_memory_peer *peer = connection->memory;
  if (!peer->closing && peer->intercept) run_connect(connection);
  if (!peer->closing && peer->writing) run_write(connection);
  if (!peer->closing && peer->reading) run_read(connection);
  if (!peer->closing) return;
  if (peer->intercept) peer->abandoned = true; /* nobody has heard of it */
  peer->connection = NULL;
  cr_connection_released(connection);
  free_if_done(peer);
}

const cr_transport cr_transport_memory = {
    .try_write = memory_try_write,
    .write = memory_write,
    .read_start = memory_read_start,
    .read_stop = memory_read_stop,
    .shutdown = memory_shutdown,
    .close = memory_close,
    .taken = memory_taken,
    .run = memory_run,
    .connected = cr_connection_connected,
    .received = cr_connection_received,
    .wrote = cr_connection_wrote,
};

cr_memory_peer *cr_memory_attach(cr_connection *connection, const cr_fault_plan *faults) {
  cr_memory_peer *peer = calloc(1, sizeof *peer);
  if (!peer) return NULL;
  if (faults) peer->faults = *faults;
  peer->connection = connection;
  connection->memory = peer;
  if (!connection->transport) connection->transport = &cr_transport_memory;
  return peer;
}

/* ---- Intercepted hosts ---- */

void cr_memory_intercept(cr_loop *loop, const char *host,
                         void (*arrived)(void *context, cr_memory_peer *peer), void *context) {
  size_t length = strlen(host) + 1;
  struct cr_intercept *intercept = calloc(1, sizeof *intercept + length);
  if (!intercept) return;
  memcpy(intercept->host, host, length);
  intercept->arrived = arrived;
  intercept->context = context;
  intercept->next = loop->intercepts; /* the latest for a host counts */
  loop->intercepts = intercept;
}

bool cr_memory_connect(cr_connection *connection, const char *host) {
  const struct cr_intercept *intercept = connection->loop->intercepts;
  while (intercept && strcmp(intercept->host, host) != 0)
    intercept = intercept->next;
  if (!intercept) return false;
  cr_memory_peer *peer = cr_memory_attach(connection, NULL);
  if (!peer) return false;
  peer->intercept = intercept;
  wake(peer);
  return true;
}

void cr_memory_forget(cr_loop *loop) {
  while (loop->intercepts) {
    struct cr_intercept *intercept = loop->intercepts;
    loop->intercepts = intercept->next;
    free(intercept);
  }
}

/* ---- The test's end ---- */

void cr_memory_peer_send(cr_memory_peer *peer, cwire_span bytes) {
  if (append(&peer->inbound, bytes.base, bytes.length)) wake(peer);
}

void cr_memory_peer_plan(cr_memory_peer *peer, const cr_fault_plan *faults) {
  peer->faults = *faults;
  peer->written = 0; /* the bytes of the plan are counted from here */
}

size_t cr_memory_peer_take(cr_memory_peer *peer, uint8_t *out, size_t capacity) {
  size_t length = left(&peer->outbound) < capacity ? left(&peer->outbound) : capacity;
  if (length) memcpy(out, peer->outbound.bytes + peer->outbound.begin, length);
  consume(&peer->outbound, length);
  if (length && peer->window && peer->writing) wake(peer);
  return length;
}

void cr_memory_peer_window(cr_memory_peer *peer, size_t bytes) {
  peer->window = bytes;
  wake(peer);
}

void cr_memory_peer_stall(cr_memory_peer *peer, bool stalled) {
  peer->stalled = stalled;
  wake(peer);
}

uint32_t cr_memory_peer_writes(const cr_memory_peer *peer) {
  return peer->attempts;
}

bool cr_memory_peer_ended(const cr_memory_peer *peer) {
  return peer->ended && left(&peer->outbound) == 0;
}

void cr_memory_peer_end(cr_memory_peer *peer) {
  peer->peer_ended = true;
  wake(peer);
}

void cr_memory_peer_reset(cr_memory_peer *peer) {
  peer->peer_reset = true;
  wake(peer);
}

void cr_memory_peer_free(cr_memory_peer *peer) {
  if (!peer) return;
  peer->abandoned = true;
  if (peer->connection && !peer->peer_ended) cr_memory_peer_end(peer);
  free_if_done(peer);
}
