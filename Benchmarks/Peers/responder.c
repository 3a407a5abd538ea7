#define _GNU_SOURCE 1
/* A fast MCP upstream for measurements: one epoll loop that answers every POST under the request's
   own id. It is the same for every gateway and proxy that is compared, and, asked directly, the
   bare writer that they are compared with.

   responder PORT|stdio [legacy|modern] [sse] [tools=N] [ttl=MS] [ports=N] [silent]

   It plays a server of that era with the tool `echo`, which says its argument `text` again, and as
   many others as it is told to have. `sse`: answers are event streams of one event. `ttl`: for how
   long its lists may be kept (modern). With `ports` it is as many servers, on PORT and the ports
   after it; `silent`: it takes requests and says nothing.
   Events that are posted to /publish go to everybody who has sent GET /events (as they are), or
   subscriptions/listen (as resource updates of bench://events/<the first word>). */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { max_descriptors = 20000, first_capacity = 4096 };

typedef struct text {
  char *base;
  size_t length, capacity;
} text;

typedef enum stream { stream_none, stream_plain, stream_listen } stream;

typedef struct connection {
  text in;
  stream stream;
  bool listens; /* it is a listener */
  char id[64];  /* of the listen, as a token */
} connection;

static connection connections[max_descriptors];
static int highest;
static bool is_modern, answers_by_events, is_silent, opens_session;
static unsigned tool_count = 1, port_count = 1, lifetime;
static text out, payload;

/* ---- Text ---- */

static void make_room(text *text, size_t count) {
  if (text->length + count + 1 <= text->capacity) return;
  size_t capacity = text->capacity == 0 ? first_capacity : text->capacity;
  while (capacity < text->length + count + 1)
    capacity *= 2;
  text->base = realloc(text->base, capacity);
  if (text->base == NULL) abort();
  text->capacity = capacity;
}

static void put(text *text, const char *bytes, size_t length) {
  make_room(text, length);
  memcpy(text->base + text->length, bytes, length);
  text->length += length;
  text->base[text->length] = 0;
}

__attribute__((format(printf, 2, 3))) static void print(text *text, const char *format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  put(text, line, (size_t)length);
}

/* The value after `"key":`, as far as its closing quote, or the next comma or brace; 0 if there is
   none. Strings with escapes are beyond it. */
static size_t find_value(const char *body, const char *key, const char **value) {
  const char *found = strstr(body, key);
  if (found == NULL) return 0;
  found += strlen(key);
  while (*found == ' ')
    found++;
  *value = found;
  if (*found == '"') {
    const char *end = strchr(found + 1, '"');
    return end == NULL ? 0 : (size_t)(end - found) + 1;
  }
  return strcspn(found, ",} ");
}

/* ---- Sending ---- */

/* All of it; a peer that does not read holds everybody up, as none that is measured does. */
static void send_text(int descriptor, const text *text) {
  for (size_t sent = 0; sent < text->length;) {
    ssize_t count = write(descriptor, text->base + sent, text->length - sent);
    if (count > 0) {
      sent += (size_t)count;
    } else if (errno == EAGAIN) {
      struct pollfd writable = {.fd = descriptor, .events = POLLOUT};
      poll(&writable, 1, -1);
    } else {
      return;
    }
  }
}

/* `payload` as one event in one chunk. */
static void put_event(text *to) {
  print(to, "%zx\r\ndata: ", payload.length + 8);
  put(to, payload.base, payload.length);
  put(to, "\n\n\r\n", 4);
}

#define EVENT_FIELDS                                                                               \
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"              \
  "Transfer-Encoding: chunked\r\n"
static const char event_head[] = EVENT_FIELDS "\r\n";

/* `payload` as the answer. As the SDKs' servers, one of the legacy era opens a session, which every
   later request names. */
static void send_answer(int descriptor) {
  const char *session = opens_session ? "Mcp-Session-Id: 9f1c2b7a4d5e4f60a1b2c3d4e5f60718\r\n" : "";
  out.length = 0;
  if (answers_by_events) {
    print(&out, EVENT_FIELDS "%s\r\n", session);
    put_event(&out);
    put(&out, "0\r\n\r\n", 5);
  } else {
    print(&out,
          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n",
          session, payload.length);
    put(&out, payload.base, payload.length);
  }
  send_text(descriptor, &out);
}

static void send_head(int descriptor, const char *head) {
  out.length = 0;
  put(&out, head, strlen(head));
  send_text(descriptor, &out);
}

/* ---- Methods ---- */

static void put_tools(void) {
  print(&payload,
        "\"tools\":[{\"name\":\"echo\",\"description\":\"Says it again.\",\"inputSchema\":"
        "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}}}}");
  for (unsigned i = 1; i < tool_count; i++)
    print(&payload,
          ",{\"name\":\"tool_%u\",\"description\":\"One of many.\",\"inputSchema\":"
          "{\"type\":\"object\"}}",
          i);
  print(&payload, "]");
}

static void put_call(const char *body) {
  const char *said = "\"\"";
  size_t length = find_value(body, "\"text\":", &said);
  if (length == 0) length = 2;
  if (is_modern) print(&payload, "\"resultType\":\"complete\",");
  print(&payload, "\"content\":[{\"type\":\"text\",\"text\":");
  put(&payload, said, length);
  print(&payload, "}],\"isError\":false");
}

/* Appends the members of the result for a method; false if it is unknown. */
static bool put_result(const char *body) {
  char stamp[96] = "";
  if (is_modern)
    snprintf(stamp, sizeof stamp,
             "\"resultType\":\"complete\",\"ttlMs\":%u,\"cacheScope\":\"private\",", lifetime);
  const char *method = "";
  size_t length = find_value(body, "\"method\":", &method);
#define IS(name) (length == sizeof name + 1 && strncmp(method, "\"" name "\"", length) == 0)
  if (IS("tools/call")) {
    put_call(body);
  } else if (IS("tools/list")) {
    print(&payload, "%s", stamp);
    put_tools();
  } else if (IS("resources/list")) {
    print(&payload, "%s\"resources\":[{\"uri\":\"bench://events\",\"name\":\"events\"}]", stamp);
  } else if (IS("resources/templates/list")) {
    print(&payload, "%s\"resourceTemplates\":[]", stamp);
  } else if (IS("prompts/list")) {
    print(&payload, "%s\"prompts\":[]", stamp);
  } else if (IS("ping")) {
    return true;
  } else if (IS("initialize") && !is_modern) {
    opens_session = true;
    print(&payload, "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},"
                    "\"serverInfo\":{\"name\":\"responder\",\"version\":\"1\"}");
  } else if (IS("server/discover") && is_modern) {
    print(&payload,
          "%s\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{},"
          "\"resources\":{\"subscribe\":true}}",
          stamp);
  } else {
    return false;
  }
#undef IS
  return true;
}

/* Makes the answer in `payload`; false for what gets none. */
static bool make_answer(const char *body) {
  const char *id = "";
  size_t id_length = find_value(body, "\"id\":", &id);
  if (id_length == 0) return false;
  payload.length = 0;
  opens_session = false;
  print(&payload, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{", (int)id_length, id);
  if (put_result(body)) {
    print(&payload, "}}");
    return true;
  }
  payload.length = 0;
  print(&payload,
        "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":{\"code\":-32601,\"message\":"
        "\"method not found\"}}",
        (int)id_length, id);
  return true;
}

static void answer(int descriptor, const char *body) {
  if (make_answer(body))
    send_answer(descriptor);
  else
    send_head(descriptor, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
}

/* ---- Events ---- */

static void listen_to_events(int descriptor, const char *body) {
  connection *peer = &connections[descriptor];
  const char *id = "";
  size_t length = find_value(body, "\"id\":", &id);
  snprintf(peer->id, sizeof peer->id, "%.*s", (int)length, id);
  peer->stream = stream_listen;
  payload.length = 0;
  print(&payload,
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{"
        "\"notifications\":{\"resourceSubscriptions\":[\"bench://events\"]},\"_meta\":{"
        "\"io.modelcontextprotocol/subscriptionId\":%s}}}",
        peer->id);
  out.length = 0;
  put(&out, event_head, sizeof event_head - 1);
  put_event(&out);
  send_text(descriptor, &out);
}

/* One event for all plain streams: encoded once. */
static void publish_plain(const char *body) {
  payload.length = 0;
  put(&payload, body, strlen(body));
  out.length = 0;
  put_event(&out);
  for (int i = 0; i <= highest; i++) {
    if (connections[i].stream == stream_plain) send_text(i, &out);
  }
}

static void publish_updates(const char *body) {
  int word = (int)strcspn(body, " ");
  for (int i = 0; i <= highest; i++) {
    connection *peer = &connections[i];
    if (peer->stream != stream_listen) continue;
    payload.length = 0;
    print(
        &payload,
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{"
        "\"uri\":\"bench://events/%.*s\",\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":%s,"
        "\"com.example/rest\":\"",
        word, body, peer->id);
    put(&payload, body + word, strlen(body + word));
    print(&payload, "\"}}}");
    out.length = 0;
    put_event(&out);
    send_text(i, &out);
  }
}

static void publish(int descriptor, const char *body) {
  publish_plain(body);
  publish_updates(body);
  send_head(descriptor, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
}

/* ---- stdio ---- */

/* A message a line, for proxies that start their server. */
static int serve_stdio(void) {
  char *line = NULL;
  size_t capacity = 0;
  ssize_t length;
  while ((length = getline(&line, &capacity, stdin)) > 0) {
    if (!make_answer(line)) continue;
    put(&payload, "\n", 1);
    send_text(STDOUT_FILENO, &payload);
  }
  return 0;
}

/* ---- Requests ---- */

static void serve_request(int descriptor, const char *head, const char *body) {
  if (strncmp(head, "GET /events", 11) == 0) {
    send_head(descriptor, event_head);
    connections[descriptor].stream = stream_plain;
  } else if (strncmp(head, "POST /publish", 13) == 0) {
    publish(descriptor, body);
  } else if (strncmp(head, "POST", 4) != 0) {
    send_head(descriptor, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
  } else if (is_modern && strstr(body, "\"subscriptions/listen\"") != NULL) {
    listen_to_events(descriptor, body);
  } else {
    answer(descriptor, body);
  }
}

/* Answers every whole request in the buffer. */
static void serve(int descriptor) {
  text *in = &connections[descriptor].in;
  while (in->length > 0) {
    in->base[in->length] = 0;
    char *end = strstr(in->base, "\r\n\r\n");
    if (end == NULL) return;
    size_t body_length = 0;
    char *field = strcasestr(in->base, "\r\ncontent-length:");
    if (field != NULL && field < end) body_length = strtoul(field + 17, NULL, 10);
    size_t total = (size_t)(end + 4 - in->base) + body_length;
    if (in->length < total) {
      make_room(in, total - in->length);
      return;
    }
    char kept = in->base[total];
    in->base[total] = 0;
    serve_request(descriptor, in->base, end + 4);
    in->base[total] = kept;
    memmove(in->base, in->base + total, in->length - total);
    in->length -= total;
  }
}

static void end(int descriptor) {
  connections[descriptor].stream = stream_none;
  connections[descriptor].in.length = 0;
  close(descriptor);
}

static void receive(int descriptor) {
  text *in = &connections[descriptor].in;
  make_room(in, first_capacity / 2);
  ssize_t taken = read(descriptor, in->base + in->length, in->capacity - in->length - 1);
  if (taken > 0 && is_silent) {
    in->length = 0;
  } else if (taken > 0) {
    in->length += (size_t)taken;
    serve(descriptor);
  } else if (taken == 0 || errno != EAGAIN) {
    end(descriptor);
  }
}

/* ---- Start ---- */

static void open_listener(int loop, int port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(listener, 4096) != 0) {
    perror("listen");
    exit(1);
  }
  connections[listener].listens = true;
  struct epoll_event added = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(loop, EPOLL_CTL_ADD, listener, &added);
}

static void accept_one(int loop, int listener) {
  int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
  if (accepted < 0) return;
  if (accepted >= max_descriptors) {
    close(accepted);
    return;
  }
  if (accepted > highest) highest = accepted;
  setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event added = {.events = EPOLLIN, .data.fd = accepted};
  epoll_ctl(loop, EPOLL_CTL_ADD, accepted, &added);
}

int main(int count, char **arguments) {
  if (count < 2) {
    fprintf(stderr,
            "usage: responder PORT|stdio [legacy|modern] [sse] [tools=N] [ttl=MS] [ports=N] "
            "[silent]\n");
    return 2;
  }
  for (int i = 2; i < count; i++) {
    is_modern |= strcmp(arguments[i], "modern") == 0;
    answers_by_events |= strcmp(arguments[i], "sse") == 0;
    is_silent |= strcmp(arguments[i], "silent") == 0;
    sscanf(arguments[i], "tools=%u", &tool_count);
    sscanf(arguments[i], "ttl=%u", &lifetime);
    sscanf(arguments[i], "ports=%u", &port_count);
  }
  signal(SIGPIPE, SIG_IGN);
  if (strcmp(arguments[1], "stdio") == 0) return serve_stdio();
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  int loop = epoll_create1(0);
  for (unsigned i = 0; i < port_count; i++)
    open_listener(loop, atoi(arguments[1]) + (int)i);
  for (;;) {
    struct epoll_event events[256];
    int ready = epoll_wait(loop, events, 256, -1);
    for (int index = 0; index < ready; index++) {
      if (connections[events[index].data.fd].listens)
        accept_one(loop, events[index].data.fd);
      else
        receive(events[index].data.fd);
    }
  }
}
