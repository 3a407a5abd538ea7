#include "creactor/names.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "connector/lookup.h"

static bool is_written(const char *addresses, const char *address) {
  size_t length = strlen(address);
  for (const char *at = addresses; (at = strstr(at, address)) != NULL; at += length) {
    bool begins = at == addresses || at[-1] == ' ';
    if (begins && (at[length] == ' ' || at[length] == 0)) return true;
  }
  return false;
}

/* False where there is no room. */
static bool write_address(const struct addrinfo *found, char *addresses, size_t capacity) {
  char text[CR_NAMES_ADDRESS];
  if (found->ai_family != AF_INET && found->ai_family != AF_INET6) return true;
  if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) !=
      0)
    return true;
  if (is_written(addresses, text)) return true;
  size_t length = strlen(addresses), more = strlen(text);
  if (length + 1 + more >= capacity) return false;
  if (length > 0) addresses[length++] = ' ';
  memcpy(addresses + length, text, more + 1);
  return true;
}

int cr_names_find(const char *host, char *addresses, size_t capacity) {
  /* A family that this machine has no address of leads nowhere. */
  struct addrinfo hints = {
      .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  struct addrinfo *list = NULL;
  if (capacity > 0) addresses[0] = 0;
  errno = 0;
  int status = cr_lookup_status(getaddrinfo(host, NULL, &hints, &list));
  if (status != 0) return status;
  const struct addrinfo *next = list;
  while (capacity > 0 && next != NULL && write_address(next, addresses, capacity))
    next = next->ai_next;
  freeaddrinfo(list);
  return 0;
}
