#include "resolver.h"

#include <netdb.h>
#include <stdlib.h>

#include "loop_private.h"

enum { KEEP_MS = 30000, KEEP_FAILURE_MS = 1000, MAX_ENTRIES = 64 };

typedef struct entry {
  struct entry *next;
  cr_loop *loop;
  uv_getaddrinfo_t request;
  cr_resolver_waiter *waiters;
  bool pending;
  bool telling; /* its waiters are being told, and may make others look names up */
  int status;   /* of the last lookup */
  uint64_t expires;
  cr_addresses addresses;
  char host[];
} entry;

struct cr_resolver {
  entry *entries;
  unsigned count;
};

static bool parse_numeric(const char *host, cr_addresses *addresses) {
  struct sockaddr_storage *first = &addresses->list[0];
  addresses->count = 1;
  return uv_ip4_addr(host, 0, (struct sockaddr_in *)first) == 0 ||
         uv_ip6_addr(host, 0, (struct sockaddr_in6 *)first) == 0;
}

static void take_addresses(cr_addresses *out, const struct addrinfo *list) {
  out->count = 0;
  for (; list != NULL && out->count < CR_RESOLVER_ADDRESSES; list = list->ai_next) {
    if (list->ai_family != AF_INET && list->ai_family != AF_INET6) continue;
    memcpy(&out->list[out->count++], list->ai_addr, list->ai_addrlen);
  }
}

static void looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
  entry *found = request->data;
  found->pending = false;
  if (status == 0) take_addresses(&found->addresses, list);
  uv_freeaddrinfo(list);
  if (status == 0 && found->addresses.count == 0) status = UV_EAI_NODATA;
  found->status = status;
  found->expires = cr_loop_now(found->loop) + (status == 0 ? KEEP_MS : KEEP_FAILURE_MS);
  found->telling = true;
  while (found->waiters != NULL) {
    cr_resolver_waiter *waiter = found->waiters;
    cr_resolver_leave(waiter);
    waiter->done(waiter, status, &found->addresses);
  }
  found->telling = false;
}

static int begin(entry *found) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  found->request.data = found;
  int status =
      uv_getaddrinfo(&found->loop->uv, &found->request, looked_up, found->host, NULL, &hints);
  found->pending = status == 0;
  return status;
}

/* Makes room by dropping one that nobody waits for; the one that expires first. */
static void evict(struct cr_resolver *resolver) {
  entry **oldest = NULL;
  for (entry **link = &resolver->entries; *link != NULL; link = &(*link)->next) {
    if ((*link)->pending || (*link)->telling) continue;
    if (oldest == NULL || (*link)->expires < (*oldest)->expires) oldest = link;
  }
  if (oldest == NULL) return;
  entry *gone = *oldest;
  *oldest = gone->next;
  resolver->count--;
  free(gone);
}

static entry *find_entry(cr_loop *loop, const char *host) {
  struct cr_resolver *resolver = loop->resolver;
  if (resolver == NULL) {
    resolver = loop->resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL) return NULL;
  }
  for (entry *found = resolver->entries; found != NULL; found = found->next) {
    if (strcmp(found->host, host) == 0) return found;
  }
  if (resolver->count >= MAX_ENTRIES) evict(resolver);
  size_t length = strlen(host) + 1;
  entry *made = calloc(1, sizeof *made + length);
  if (made == NULL) return NULL;
  made->loop = loop;
  memcpy(made->host, host, length);
  made->next = resolver->entries;
  resolver->entries = made;
  resolver->count++;
  return made;
}

int cr_resolver_find(cr_loop *loop, const char *host, cr_addresses *addresses,
                     cr_resolver_waiter *waiter) {
  if (parse_numeric(host, addresses)) return 0;
  entry *found = find_entry(loop, host);
  if (found == NULL) return UV_EAI_MEMORY;
  if (!found->pending && found->expires > cr_loop_now(loop)) {
    *addresses = found->addresses;
    return found->status;
  }
  if (!found->pending) {
    int status = begin(found);
    if (status != 0) return status;
  }
  waiter->next = found->waiters;
  waiter->link = &found->waiters;
  if (waiter->next != NULL) waiter->next->link = &waiter->next;
  found->waiters = waiter;
  return UV_EAGAIN;
}

void cr_resolver_leave(cr_resolver_waiter *waiter) {
  if (waiter->link == NULL) return;
  *waiter->link = waiter->next;
  if (waiter->next != NULL) waiter->next->link = waiter->link;
  waiter->next = NULL;
  waiter->link = NULL;
}

void cr_resolver_stop(cr_loop *loop) {
  if (loop->resolver == NULL) return;
  for (entry *found = loop->resolver->entries; found != NULL; found = found->next) {
    while (found->waiters != NULL)
      cr_resolver_leave(found->waiters);
    if (found->pending) uv_cancel((uv_req_t *)&found->request);
  }
}

void cr_resolver_free(cr_loop *loop) {
  if (loop->resolver == NULL) return;
  while (loop->resolver->entries != NULL) {
    entry *gone = loop->resolver->entries;
    loop->resolver->entries = gone->next;
    free(gone);
  }
  free(loop->resolver);
  loop->resolver = NULL;
}
