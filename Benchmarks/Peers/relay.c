/* A bare relay for measurements: each connection to PORT gets one of its own to UPSTREAM_PORT, and
   bytes go to and fro as they come. It understands none of them, so it shows what the system calls
   of one hop cost a proxy on libuv.

   relay PORT UPSTREAM_PORT */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

typedef struct side {
  uv_tcp_t tcp; /* first, so that a handle is its side */
  struct side *other;
  uv_connect_t connect;
} side;

typedef struct pending {
  uv_write_t request;
  char bytes[];
} pending;

static char shared[64 * 1024];
static struct sockaddr_in upstream;

static void lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)handle, (void)suggested;
  *buffer = uv_buf_init(shared, sizeof shared);
}

static void free_side(uv_handle_t *handle) {
  free(handle);
}

/* Both sides end together. */
static void close_pair(side *side) {
  uv_close((uv_handle_t *)&side->other->tcp, free_side);
  uv_close((uv_handle_t *)&side->tcp, free_side);
}

static void wrote(uv_write_t *request, int status) {
  (void)status;
  free(request);
}

static void was_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  side *from = (side *)stream;
  if (uv_is_closing((uv_handle_t *)stream) || count == 0) return;
  if (count < 0) {
    close_pair(from);
    return;
  }
  uv_stream_t *target = (uv_stream_t *)&from->other->tcp;
  uv_buf_t bytes = uv_buf_init(buffer->base, (unsigned)count);
  int taken = uv_try_write(target, &bytes, 1);
  if (taken == UV_EAGAIN) taken = 0;
  if (taken < 0) {
    close_pair(from);
    return;
  }
  size_t rest = (size_t)count - (size_t)taken;
  if (rest == 0) return;
  pending *waiting = malloc(sizeof *waiting + rest);
  if (waiting == NULL) abort();
  memcpy(waiting->bytes, buffer->base + taken, rest);
  bytes = uv_buf_init(waiting->bytes, (unsigned)rest);
  uv_write(&waiting->request, target, &bytes, 1, wrote);
}

static void connected(uv_connect_t *request, int status) {
  side *side = request->data;
  if (uv_is_closing((uv_handle_t *)&side->tcp)) return;
  if (status < 0) {
    close_pair(side);
    return;
  }
  uv_tcp_nodelay(&side->tcp, 1);
  uv_read_start((uv_stream_t *)&side->tcp, lend, was_read);
  uv_read_start((uv_stream_t *)&side->other->tcp, lend, was_read);
}

static side *make_side(uv_loop_t *loop) {
  side *made = calloc(1, sizeof *made);
  if (made == NULL) abort();
  uv_tcp_init(loop, &made->tcp);
  return made;
}

static void arrived(uv_stream_t *listener, int status) {
  if (status < 0) return;
  side *client = make_side(listener->loop), *server = make_side(listener->loop);
  client->other = server;
  server->other = client;
  server->connect.data = server;
  if (uv_accept(listener, (uv_stream_t *)&client->tcp) < 0 ||
      uv_tcp_connect(&server->connect, &server->tcp, (struct sockaddr *)&upstream, connected) < 0) {
    close_pair(client);
    return;
  }
  uv_tcp_nodelay(&client->tcp, 1);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fputs("relay PORT UPSTREAM_PORT\n", stderr);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  uv_loop_t *loop = uv_default_loop();
  struct sockaddr_in place;
  uv_ip4_addr("127.0.0.1", atoi(arguments[1]), &place);
  uv_ip4_addr("127.0.0.1", atoi(arguments[2]), &upstream);
  uv_tcp_t listener;
  uv_tcp_init(loop, &listener);
  if (uv_tcp_bind(&listener, (struct sockaddr *)&place, 0) < 0 ||
      uv_listen((uv_stream_t *)&listener, 4096, arrived) < 0) {
    fprintf(stderr, "port %s can't be listened to\n", arguments[1]);
    return 1;
  }
  return uv_run(loop, UV_RUN_DEFAULT);
}
