#include "connection/transport_plain.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection/socket_progress.h"
#include "connection/write_queue.h"

static cr_connection *connection_of(uv_handle_t *handle) {
  return (cr_connection *)(void *)handle; /* the handle is the first member */
}

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)suggested;
  /* One buffer for the whole loop: what is not used up when the read returns is copied. */
  cr_loop *loop = connection_of(handle)->loop;
  *buffer = uv_buf_init((char *)loop->read_buffer, sizeof loop->read_buffer);
}

static void was_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  cr_connection *connection = connection_of((uv_handle_t *)stream);
  if (count != 0) connection->transport->received(connection, (uint8_t *)buffer->base, count);
}

static void was_written(uv_write_t *request, int status) {
  cr_connection *connection = connection_of((uv_handle_t *)request->handle);
  connection->transport->wrote(connection, status);
}

/* The pieces as one run of bytes in `room`, of `capacity` bytes; 0 if they are more than that. */
static size_t gather(uint8_t *room, size_t capacity, const uv_buf_t *pieces, unsigned count) {
  size_t length = 0;
  for (unsigned index = 0; index < count; index++) {
    if (pieces[index].len > capacity - length) return 0;
    memcpy(room + length, pieces[index].base, pieces[index].len);
    length += pieces[index].len;
  }
  return length;
}

/* By `send`, which is the shortest way through the kernel. Several small pieces are put together
   first: that is less work than having the kernel walk over them. */
static ssize_t plain_try_write(cr_connection *connection, const uv_buf_t *pieces, unsigned count) {
  enum { SMALL = 2048 };
  uint8_t room[SMALL];
  const void *bytes = pieces->base;
  size_t length = pieces->len;
  if (count > 1) {
    bytes = room;
    length = gather(room, sizeof room, pieces, count);
    if (length == 0) return uv_try_write(&connection->stream, pieces, count);
  }
  uv_os_fd_t descriptor;
  int status = uv_fileno(&connection->handle, &descriptor);
  if (status < 0) return status;
  ssize_t sent;
  do
    sent = send(descriptor, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? uv_translate_sys_error(errno) : sent;
}

static int plain_write(cr_connection *connection, uv_write_t *request, const uv_buf_t *pieces,
                       unsigned count) {
  return uv_write(request, &connection->stream, pieces, count, was_written);
}

static int plain_read_start(cr_connection *connection) {
  return uv_read_start(&connection->stream, lend_buffer, was_read);
}

static void plain_read_stop(cr_connection *connection) {
  uv_read_stop(&connection->stream);
}

static void plain_shutdown(cr_connection *connection) {
  uv_os_fd_t descriptor;
  /* Nothing is in libuv's queue, so the system call itself will do: no request to allocate. An
     error means that the peer is gone, which reading will tell. */
  if (uv_fileno(&connection->handle, &descriptor) == 0) shutdown(descriptor, SHUT_WR);
}

static uint64_t plain_taken(cr_connection *connection) {
  uv_os_fd_t descriptor;
  uint64_t bytes;
  bool known = uv_fileno(&connection->handle, &descriptor) == 0 &&
               cr_socket_acknowledged(descriptor, &bytes);
  return known ? bytes : connection->queue->consumed;
}

static bool plain_unread(cr_connection *connection) {
  uv_os_fd_t descriptor;
  uint8_t byte;
  if (uv_fileno(&connection->handle, &descriptor) != 0) return false;
  ssize_t count = recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static void was_closed(uv_handle_t *handle) {
  cr_connection_released(connection_of(handle));
}

static void plain_close(cr_connection *connection, bool reset) {
  cr_plain_maker *maker = connection->handle.data;
  if (maker != NULL) maker->abandon(maker);
  if (reset && uv_tcp_close_reset(&connection->tcp, was_closed) == 0) return;
  uv_close(&connection->handle, was_closed);
}

const cr_transport cr_transport_plain = {
    .try_write = plain_try_write,
    .write = plain_write,
    .read_start = plain_read_start,
    .read_stop = plain_read_stop,
    .shutdown = plain_shutdown,
    .close = plain_close,
    .taken = plain_taken,
    .unread = plain_unread,
    .connected = cr_connection_connected,
    .received = cr_connection_received,
    .wrote = cr_connection_wrote,
};

void cr_plain_prepare(cr_connection *connection, cr_plain_maker *maker) {
  if (!connection->transport) connection->transport = &cr_transport_plain;
  uv_tcp_init(&connection->loop->uv, &connection->tcp);
  connection->handle.data = maker;
}

int cr_plain_connected(cr_connection *connection, int descriptor) {
  int status = uv_tcp_open(&connection->tcp, descriptor);
  if (status < 0) {
    close(descriptor);
    cr_connection_close(connection, cr_error_uv(status));
    return status;
  }
  connection->transport->connected(connection, 0);
  return 0;
}

int cr_plain_open(cr_connection *connection, int descriptor) {
  cr_plain_prepare(connection, NULL);
  return cr_plain_connected(connection, descriptor);
}
