#include <CReactor.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "CReactorPeers.h"

/* A client that has connected; its answer is not awaited. */
static void connect_to(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  if (descriptor < 0) _exit(1);
  if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) != 0) _exit(1);
}

static int32_t accepted_after(cr_loop *loop, uint64_t milliseconds) {
  enum { TURNS = 100 };
  cr_loop_advance(loop, milliseconds);
  for (int turn = 0; turn < TURNS; turn++)
    cr_loop_step(loop);
  return (int32_t)cr_loop_count(loop).accepted;
}

static peer_starved starve(void) {
  enum { STARVED_MS = 1000 };
  char holder[64];
  uint16_t port = 0;
  cr_loop *loop = NULL;
  cr_listener *listener = NULL;
  cr_handlers handlers = {0};
  cr_loop_options options = {.max_connections = 4, .manual_clock = true};
  cr_http_limits limits = cr_http_limits_default();
  if (cr_failed(cr_listener_probe("127.0.0.1", &port, holder, sizeof holder)) ||
      cr_failed(cr_loop_create(&loop, &options, &handlers, NULL)) ||
      cr_failed(cr_listener_start(&listener, loop, NULL, "127.0.0.1", port, 1, &limits)))
    _exit(1);
  connect_to(port);
  struct rlimit before, none;
  if (getrlimit(RLIMIT_NOFILE, &before) != 0) _exit(1);
  none = before;
  none.rlim_cur = 0;
  if (setrlimit(RLIMIT_NOFILE, &none) != 0) _exit(1);
  if (accepted_after(loop, 0) != 0) _exit(1);
  cr_listener_hold(listener, true);
  if (setrlimit(RLIMIT_NOFILE, &before) != 0) _exit(1);
  peer_starved found = {.while_held = accepted_after(loop, STARVED_MS)};
  cr_listener_hold(listener, false);
  found.after = accepted_after(loop, STARVED_MS);
  return found;
}

bool peer_listener_starved(peer_starved *out) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  pid_t pid = fork();
  if (pid == 0) {
    peer_starved found = starve();
    _exit(write(ends[1], &found, sizeof found) != sizeof found);
  }
  close(ends[1]);
  bool known = read(ends[0], out, sizeof *out) == sizeof *out;
  close(ends[0]);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
  return known;
}
