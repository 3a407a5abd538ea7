#include "target.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

typedef struct scheme {
  const char *prefix;
  const char *port;
  bool tls;
  bool websocket;
} scheme;

static const scheme schemes[] = {
    {"http://", "80", false, false},
    {"https://", "443", true, false},
    {"ws://", "80", false, true},
    {"wss://", "443", true, true},
};

static bool resolve(target *target, const char *port, const char **why) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
  int status = getaddrinfo(target->host, port, &hints, &found);
  if (status != 0) {
    *why = gai_strerror(status);
    return false;
  }
  /* `localhost` is ::1 first on many systems, while servers under test listen on 127.0.0.1. */
  struct addrinfo *chosen = found;
  for (struct addrinfo *each = found; each != NULL; each = each->ai_next) {
    if (each->ai_family == AF_INET) {
      chosen = each;
      break;
    }
  }
  memcpy(&target->address, chosen->ai_addr, chosen->ai_addrlen);
  target->address_length = chosen->ai_addrlen;
  freeaddrinfo(found);
  return true;
}

bool target_parse(target *target, const char *url, const char **why) {
  *target = (struct target){0};
  const scheme *scheme = NULL;
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    if (strncmp(url, schemes[i].prefix, strlen(schemes[i].prefix)) == 0) scheme = &schemes[i];
  }
  if (scheme == NULL) {
    *why = "it begins with none of http://, https://, ws://, wss://";
    return false;
  }
  target->tls = scheme->tls;
  target->websocket = scheme->websocket;
  const char *authority = url + strlen(scheme->prefix);
  size_t length = strcspn(authority, "/?#");
  const char *path = authority + length;
  if (length == 0 || length >= sizeof target->authority) {
    *why = "it names no host";
    return false;
  }
  snprintf(target->authority, sizeof target->authority, "%.*s", (int)length, authority);
  int written = snprintf(target->path, sizeof target->path, "%s%.*s", *path == '/' ? "" : "/",
                         (int)strcspn(path, "#"), path);
  if (written >= (int)sizeof target->path) {
    *why = "its path is too long";
    return false;
  }
  char port[8];
  snprintf(port, sizeof port, "%s", scheme->port);
  const char *host = target->authority, *colon;
  size_t host_length;
  if (*host == '[') {
    host++;
    host_length = strcspn(host, "]");
    colon =
        host[host_length] == ']' && host[host_length + 1] == ':' ? host + host_length + 1 : NULL;
  } else {
    host_length = strcspn(host, ":");
    colon = host[host_length] == ':' ? host + host_length : NULL;
  }
  snprintf(target->host, sizeof target->host, "%.*s", (int)host_length, host);
  if (colon != NULL) snprintf(port, sizeof port, "%s", colon + 1);
  return resolve(target, port, why);
}

bool target_is_loopback(const target *target) {
  const struct sockaddr_in *address = (const struct sockaddr_in *)&target->address;
  return address->sin_family == AF_INET && (ntohl(address->sin_addr.s_addr) >> 24) == 127;
}
