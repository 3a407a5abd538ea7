#include "connector/addresses.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { KEPT = 64, KEEP_MS = 10 * 60 * 1000 };

bool cr_address_parse(const char *text, cr_address *out) {
  return uv_ip4_addr(text, 0, &out->v4) == 0 || uv_ip6_addr(text, 0, &out->v6) == 0;
}

/* The same host, whatever the ports. */
static bool same_host(const cr_address *one, const cr_address *other) {
  if (one->any.sa_family != other->any.sa_family) return false;
  if (one->any.sa_family == AF_INET) return one->v4.sin_addr.s_addr == other->v4.sin_addr.s_addr;
  return one->v6.sin6_scope_id == other->v6.sin6_scope_id &&
         memcmp(&one->v6.sin6_addr, &other->v6.sin6_addr, sizeof one->v6.sin6_addr) == 0;
}

void cr_address_set_port(cr_address *address, uint16_t port) {
  if (address->any.sa_family == AF_INET)
    address->v4.sin_port = htons(port);
  else
    address->v6.sin6_port = htons(port);
}

/* ---- Which answered ---- */

typedef struct note {
  char *host; /* NULL: free */
  uint16_t port;
  cr_address address;
  uint64_t until;
} note;

struct cr_answered {
  note notes[KEPT];
};

static note *find_note(cr_answered *answered, const char *host, uint16_t port) {
  for (unsigned index = 0; index < KEPT; index++) {
    note *found = &answered->notes[index];
    if (found->host != NULL && found->port == port && strcmp(found->host, host) == 0) return found;
  }
  return NULL;
}

int cr_answered_find(const cr_answered *answered, const char *host, uint16_t port,
                     const cr_addresses *addresses, uint64_t now) {
  if (answered == NULL) return -1;
  const note *found = find_note((cr_answered *)answered, host, port);
  if (found == NULL || found->until <= now) return -1;
  for (unsigned index = 0; index < addresses->count; index++) {
    if (same_host(&addresses->list[index], &found->address)) return (int)index;
  }
  return -1;
}

/* The one that ends first: a free one has no time at all. */
static note *oldest(cr_answered *answered) {
  note *found = &answered->notes[0];
  for (unsigned index = 1; index < KEPT; index++) {
    if (answered->notes[index].until < found->until) found = &answered->notes[index];
  }
  return found;
}

void cr_answered_note(cr_answered **answered, const char *host, uint16_t port,
                      const cr_address *address, uint64_t now) {
  if (*answered == NULL) *answered = calloc(1, sizeof **answered);
  if (*answered == NULL) return;
  note *found = find_note(*answered, host, port);
  /* Being used does not make it last longer: the others get their chance. */
  if (found != NULL && found->until > now && same_host(&found->address, address)) return;
  if (found == NULL) {
    char *copy = strdup(host);
    if (copy == NULL) return;
    found = oldest(*answered);
    free(found->host);
    found->host = copy;
    found->port = port;
  }
  found->address = *address;
  found->until = now + KEEP_MS;
}

void cr_answered_free(cr_answered *answered) {
  if (answered == NULL) return;
  for (unsigned index = 0; index < KEPT; index++)
    free(answered->notes[index].host);
  free(answered);
}
