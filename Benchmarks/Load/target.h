#ifndef LOAD_TARGET_H
#define LOAD_TARGET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Where a URL leads. */
typedef struct target {
  bool tls;            /* https, wss */
  bool websocket;      /* ws, wss */
  char host[256];      /* without brackets: for the certificate's name */
  char authority[272]; /* as the Host field has it */
  char path[1024];     /* with the query */
  struct sockaddr_storage address;
  socklen_t address_length;
} target;

/* Reads http, https, ws and wss URLs and resolves the host. False with a message in `why`. */
bool target_parse(target *target, const char *url, const char **why);

/* Whether connections to it can come from any address of 127.0.0.0/8. */
bool target_is_loopback(const target *target);

#endif
