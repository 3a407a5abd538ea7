#define _GNU_SOURCE 1
/* A fast MCP upstream for measurements: one epoll loop that answers every POST with a small tool
   result under the request's own id. It is the same for every gateway and proxy that is compared.

   responder PORT [legacy|modern]: `initialize` and the lists are answered well enough for a gateway
   to take it for a server of that era with one tool, `echo`. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { max_descriptors = 20000, buffer_size = 65536 };

typedef struct connection {
  char *bytes;
  size_t length;
} connection;

static connection connections[max_descriptors];
static int is_modern;

/* The value after `"key":`, as far as the next comma or brace; 0 if there is none. */
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

static const char *tools =
    "\"tools\":[{\"name\":\"echo\",\"description\":\"Says it again.\",\"inputSchema\":"
    "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}}}}]";

/* The result for a method, without the braces that hold it. */
static const char *result_of(const char *body) {
  static char text[buffer_size + 1024];
  const char *stamp =
      is_modern ? "\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\"," : "";
  const char *method = "";
  if (find_value(body, "\"method\":", &method) == 0) return NULL;
  if (strncmp(method, "\"tools/call\"", 12) == 0) {
    const char *complete = is_modern ? "\"resultType\":\"complete\"," : "";
    const char *said = "";
    size_t length = find_value(body, "\"text\":", &said);
    snprintf(text, sizeof text,
             "%s\"content\":[{\"type\":\"text\",\"text\":%.*s}],\"isError\":false", complete,
             (int)length, said);
  } else if (strncmp(method, "\"tools/list\"", 12) == 0) {
    snprintf(text, sizeof text, "%s%s", stamp, tools);
  } else if (strncmp(method, "\"initialize\"", 12) == 0) {
    snprintf(text, sizeof text,
             "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},\"serverInfo\":"
             "{\"name\":\"responder\",\"version\":\"1\"}");
  } else if (strncmp(method, "\"server/discover\"", 17) == 0) {
    snprintf(text, sizeof text,
             "%s\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{}}", stamp);
  } else {
    return NULL;
  }
  return text;
}

static void answer(int descriptor, const char *body) {
  static char out[buffer_size + 4096];
  static char payload[buffer_size + 2048];
  const char *id = "";
  size_t id_length = find_value(body, "\"id\":", &id);
  int length;
  if (id_length == 0) {
    length = snprintf(out, sizeof out, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
  } else {
    int is_discover = strstr(body, "\"server/discover\"") != NULL;
    const char *result = is_discover && !is_modern ? NULL : result_of(body);
    int count;
    if (result != NULL) {
      count = snprintf(payload, sizeof payload, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{%s}}",
                       (int)id_length, id, result);
    } else {
      count = snprintf(payload, sizeof payload,
                       "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":{\"code\":-32601,\"message\":"
                       "\"method not found\"}}",
                       (int)id_length, id);
    }
    length = snprintf(
        out, sizeof out,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", count,
        payload);
  }
  if (write(descriptor, out, (size_t)length) != length) perror("write");
}

/* Answers every whole request in the buffer. */
static void serve(int descriptor, connection *peer) {
  for (;;) {
    peer->bytes[peer->length] = 0;
    char *end = strstr(peer->bytes, "\r\n\r\n");
    if (end == NULL) return;
    size_t body_length = 0;
    char *field = strcasestr(peer->bytes, "\r\ncontent-length:");
    if (field != NULL && field < end) body_length = strtoul(field + 17, NULL, 10);
    size_t total = (size_t)(end + 4 - peer->bytes) + body_length;
    if (peer->length < total) return;
    char kept = peer->bytes[total];
    peer->bytes[total] = 0;
    if (strncmp(peer->bytes, "POST", 4) == 0) {
      answer(descriptor, end + 4);
    } else {
      static const char refusal[] = "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n";
      if (write(descriptor, refusal, sizeof refusal - 1) < 0) perror("write");
    }
    peer->bytes[total] = kept;
    memmove(peer->bytes, peer->bytes + total, peer->length - total);
    peer->length -= total;
    if (peer->length == 0) return;
  }
}

int main(int count, char **arguments) {
  if (count < 2) {
    fprintf(stderr, "usage: responder PORT [legacy|modern]\n");
    return 2;
  }
  is_modern = count > 2 && strcmp(arguments[2], "modern") == 0;
  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(arguments[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(listener, 4096) != 0) {
    perror("listen");
    return 1;
  }
  int loop = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    struct epoll_event events[256];
    int ready = epoll_wait(loop, events, 256, -1);
    for (int index = 0; index < ready; index++) {
      int descriptor = events[index].data.fd;
      if (descriptor == listener) {
        int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (accepted < 0 || accepted >= max_descriptors) continue;
        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connections[accepted].bytes == NULL)
          connections[accepted].bytes = malloc(buffer_size + 1);
        connections[accepted].length = 0;
        struct epoll_event added = {.events = EPOLLIN, .data.fd = accepted};
        epoll_ctl(loop, EPOLL_CTL_ADD, accepted, &added);
        continue;
      }
      connection *peer = &connections[descriptor];
      ssize_t taken = read(descriptor, peer->bytes + peer->length, buffer_size - peer->length);
      if (taken <= 0) {
        if (taken < 0 && errno == EAGAIN) continue;
        close(descriptor);
        continue;
      }
      peer->length += (size_t)taken;
      serve(descriptor, peer);
    }
  }
}
