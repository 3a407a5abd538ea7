#include "connector/connector.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connection/transport_plain.h"
#include "connector/resolver.h"

/* How a peer that has vanished without a word (power, a route, a firewall that forgot) is noticed
   on a connection where nothing is sent: an event stream, a listen, an idle one of the pool. After
   30 s of silence its kernel is asked every 10 s, and three questions without an answer are the
   end: a minute in all, shorter than the minutes after which firewalls and NATs forget a silent
   connection, and rare enough to cost nothing. The kernel's own default is two hours. */
enum { KEEPALIVE_IDLE = 30, KEEPALIVE_INTERVAL = 10, KEEPALIVE_COUNT = 3 /* s, s */ };
/* The same minute for what was sent and not acknowledged, where no question is asked; by default it
   would be sent again and again for a quarter of an hour. */
enum { UNACKNOWLEDGED_MS = 60 * 1000 };

typedef struct attempt {
  uv_poll_t poll;
  struct cr_connector *connector;
  int descriptor; /* -1: not begun, or over */
} attempt;

typedef struct cr_connector {
  cr_resolver_waiter waiter;
  cr_plain_maker maker;
  cr_timer_task next;        /* when another attempt is due */
  cr_connection *connection; /* NULL: it is made, or nobody wants it any more */
  cr_attempts plan;
  cr_addresses addresses;
  attempt attempts[CR_ATTEMPT_ADDRESSES]; /* by address */
  unsigned handles;                       /* polls that are not closed yet */
  uint16_t port;
  char host[];
} cr_connector;

static void free_if_done(cr_connector *connector) {
  if (connector->connection == NULL && connector->handles == 0) free(connector);
}

static void poll_closed(uv_handle_t *handle) {
  cr_connector *connector = ((attempt *)(void *)handle)->connector; /* the first member */
  connector->handles--;
  free_if_done(connector);
}

/* Ends an attempt and gives its socket, which is the caller's from then on. */
static int end_attempt(attempt *attempt) {
  int descriptor = attempt->descriptor;
  attempt->descriptor = -1;
  uv_close((uv_handle_t *)&attempt->poll, poll_closed);
  return descriptor;
}

/* Ends all that is on its way. The connection is the caller's again; the connector may be gone. */
static cr_connection *retire(cr_connector *connector) {
  cr_connection *connection = connector->connection;
  cr_resolver_leave(&connector->waiter);
  cr_loop_stop_timer(connection->loop, &connector->next.timer);
  for (unsigned index = 0; index < connector->addresses.count; index++) {
    attempt *attempt = &connector->attempts[index];
    if (attempt->descriptor >= 0) close(end_attempt(attempt));
  }
  connector->connection = NULL;
  cr_plain_forget(connection);
  free_if_done(connector);
  return connection;
}

static void abandoned(cr_plain_maker *maker) {
  retire((cr_connector *)(void *)((uint8_t *)maker - offsetof(cr_connector, maker)));
}

static void set_options(int descriptor) {
  static const struct {
    int level, name, value;
  } options[] = {
      {SOL_SOCKET, SO_KEEPALIVE, 1},
      {IPPROTO_TCP, TCP_NODELAY, 1},
      {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE},
      {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL},
      {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT},
      {IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS},
  };
  for (unsigned index = 0; index < sizeof options / sizeof *options; index++)
    setsockopt(descriptor, options[index].level, options[index].name, &options[index].value,
               sizeof options[index].value);
}

/* An attempt has connected; its socket is no attempt's any more. */
static void win(cr_connector *connector, unsigned index, int descriptor) {
  cr_loop *loop = connector->connection->loop;
  if (connector->addresses.count > 1) {
    cr_answered_note(&loop->answered, connector->host, connector->port,
                     &connector->addresses.list[index], cr_loop_time(loop));
  }
  set_options(descriptor);
  cr_plain_connected(retire(connector), descriptor);
}

static void carry_on(cr_connector *connector);

static void has_outcome(uv_poll_t *handle, int status, int events) {
  (void)status, (void)events; /* both follow from the socket's own error */
  attempt *attempt = (struct attempt *)(void *)handle;
  cr_connector *connector = attempt->connector;
  unsigned index = (unsigned)(attempt - connector->attempts);
  int descriptor = end_attempt(attempt), error = 0;
  socklen_t length = sizeof error;
  connector->connection->loop->events++;
  if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error == 0) {
    win(connector, index, descriptor);
    return;
  }
  close(descriptor);
  cr_attempts_failed(&connector->plan, index, -error);
  carry_on(connector);
}

/* 0 and a connected socket (over loopback it may be at once); UV_EAGAIN: it is on its way; another
 * negative code. */
static int begin_attempt(cr_connector *connector, unsigned index, int *connected) {
  const cr_address *address = &connector->addresses.list[index];
  socklen_t length = address->any.sa_family == AF_INET ? sizeof address->v4 : sizeof address->v6;
  int descriptor =
      socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) return -errno;
  *connected = descriptor;
  if (connect(descriptor, &address->any, length) == 0) return 0;
  int status = errno == EINPROGRESS ? 0 : -errno;
  attempt *attempt = &connector->attempts[index];
  uv_loop_t *loop = &connector->connection->loop->uv;
  if (status == 0) status = uv_poll_init_socket(loop, &attempt->poll, descriptor);
  if (status < 0) {
    close(descriptor);
    return status;
  }
  attempt->descriptor = descriptor;
  connector->handles++;
  uv_poll_start(&attempt->poll, UV_WRITABLE, has_outcome);
  return UV_EAGAIN;
}

/* Does what the plan says until it says to wait, or the end has come. */
static void carry_on(cr_connector *connector) {
  cr_loop *loop = connector->connection->loop;
  for (;;) {
    cr_attempt_action action = cr_attempts_next(&connector->plan, cr_loop_time(loop));
    if (action.step == CR_ATTEMPT_WAIT) {
      if (action.until == UINT64_MAX)
        cr_loop_stop_timer(loop, &connector->next.timer);
      else
        cr_loop_start_timer(loop, &connector->next.timer, action.until);
      return;
    }
    if (action.step == CR_ATTEMPT_GIVE_UP) {
      cr_connection *connection = retire(connector);
      connection->transport->connected(connection, action.status);
      return;
    }
    int descriptor;
    int status = begin_attempt(connector, action.address, &descriptor);
    if (status == 0) {
      win(connector, action.address, descriptor);
      return;
    }
    if (status != UV_EAGAIN) cr_attempts_failed(&connector->plan, action.address, status);
  }
}

static void next_due(cr_timer_task *task) {
  carry_on((cr_connector *)(void *)((uint8_t *)task - offsetof(cr_connector, next)));
}

/* The addresses are there. */
static void begin(cr_connector *connector) {
  cr_loop *loop = connector->connection->loop;
  cr_addresses *addresses = &connector->addresses;
  int families[CR_ATTEMPT_ADDRESSES];
  for (unsigned index = 0; index < addresses->count; index++) {
    cr_address_set_port(&addresses->list[index], connector->port);
    families[index] = addresses->list[index].any.sa_family;
    connector->attempts[index].connector = connector;
    connector->attempts[index].descriptor = -1;
  }
  int known = cr_answered_find(loop->answered, connector->host, connector->port, addresses,
                               cr_loop_time(loop));
  cr_attempts_plan(&connector->plan, families, addresses->count, known);
  carry_on(connector);
}

static void fail(cr_connector *connector, int status) {
  cr_connection_close(retire(connector), (cr_error){CR_DOMAIN_RESOLVER, status});
}

static void resolved(cr_resolver_waiter *waiter, int status, const cr_addresses *addresses) {
  cr_connector *connector = (cr_connector *)waiter; /* its first member */
  if (status != 0) {
    fail(connector, status);
    return;
  }
  connector->addresses = *addresses;
  begin(connector);
}

void cr_connector_start(cr_connection *connection, const char *host, uint16_t port) {
  size_t length = strlen(host) + 1;
  cr_connector *connector = calloc(1, sizeof *connector + length);
  cr_plain_prepare(connection, connector == NULL ? NULL : &connector->maker);
  if (connector == NULL) {
    cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
    return;
  }
  connector->connection = connection;
  connector->maker.abandon = abandoned;
  connector->next.timer.kind = CR_TIMER_TASK;
  connector->next.fire = next_due;
  connector->waiter.done = resolved;
  connector->port = port;
  memcpy(connector->host, host, length);
  cr_addresses addresses;
  int status = cr_resolver_find(connection->loop, host, &addresses, &connector->waiter);
  if (status == UV_EAGAIN) return;
  if (status != 0) {
    fail(connector, status);
    return;
  }
  connector->addresses = addresses;
  begin(connector);
}
