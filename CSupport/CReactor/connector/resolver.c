#include "connector/resolver.h"

#include <stdlib.h>
#include <string.h>

#include "connector/lookup.h"
#include "loop/loop.h"

enum { KEEP_MS = 30000, KEEP_FAILURE_MS = 1000 };
enum { MOST_ENTRIES = 256, MOST_WANTED = 32, MOST_THREADS = 64 };

typedef enum entry_state {
  KNOWN, /* `status` and `addresses` are those of the last look-up, until `expires` */
  QUEUED,
  LOOKING_UP,
} entry_state;

typedef struct cr_resolver_entry {
  struct cr_resolver_entry *next;
  cr_loop *loop;
  cr_resolver_waiter *waiters;
  entry_state state;
  bool telling; /* its waiters are being told, and may make others look names up */
  int status;
  uint64_t expires;
  uint64_t ticket; /* QUEUED: its place */
  cr_addresses addresses;
  char host[];
} entry;

struct cr_resolver {
  cr_lookup_desk *desk;
  entry *entries;
  unsigned count;
  unsigned wanted;  /* look-ups that somebody waits for */
  unsigned threads; /* all look-ups */
  uint64_t tickets;
};

static entry *find_entry(const struct cr_resolver *resolver, const char *host) {
  entry *found = resolver->entries;
  while (found != NULL && strcmp(found->host, host) != 0)
    found = found->next;
  return found;
}

/* ---- Looking up ---- */

static void tell(entry *found, int status) {
  found->status = status;
  found->telling = true;
  while (found->waiters != NULL) {
    cr_resolver_waiter *waiter = found->waiters;
    cr_resolver_leave(waiter);
    waiter->done(waiter, status, &found->addresses);
  }
  found->telling = false;
}

static bool has_room(const struct cr_resolver *resolver) {
  return resolver->wanted < MOST_WANTED && resolver->threads < MOST_THREADS;
}

static int begin(struct cr_resolver *resolver, entry *found) {
  int status = cr_lookup_begin(resolver->desk, found->host);
  if (status != 0) return status;
  found->state = LOOKING_UP;
  resolver->wanted++;
  resolver->threads++;
  return 0;
}

static entry *first_queued(const struct cr_resolver *resolver) {
  entry *first = NULL;
  for (entry *found = resolver->entries; found != NULL; found = found->next) {
    if (found->state != QUEUED) continue;
    if (first == NULL || found->ticket < first->ticket) first = found;
  }
  return first;
}

/* Begins with what waits in the queue, as far as there is room. */
static void begin_queued(cr_loop *loop) {
  struct cr_resolver *resolver = loop->resolver;
  entry *first;
  while (!loop->destroying && has_room(resolver) && (first = first_queued(resolver)) != NULL) {
    int status = begin(resolver, first);
    if (status == 0) continue;
    first->state = KNOWN;
    tell(first, status);
  }
}

static void answered(cr_loop *loop, const char *host, int status, const cr_addresses *addresses) {
  struct cr_resolver *resolver = loop->resolver;
  entry *found = find_entry(resolver, host); /* it stays as long as it is looked up */
  resolver->threads--;
  if (found->waiters != NULL) resolver->wanted--;
  found->state = KNOWN;
  found->addresses = *addresses;
  found->expires = cr_loop_time(loop) + (status == 0 ? KEEP_MS : KEEP_FAILURE_MS);
  tell(found, status);
  begin_queued(loop);
}

/* ---- The table ---- */

/* Makes room by dropping the one that expires first; false if all of them are being looked up. */
static bool evict(struct cr_resolver *resolver) {
  entry **oldest = NULL;
  for (entry **link = &resolver->entries; *link != NULL; link = &(*link)->next) {
    if ((*link)->state != KNOWN || (*link)->telling) continue;
    if (oldest == NULL || (*link)->expires < (*oldest)->expires) oldest = link;
  }
  if (oldest == NULL) return false;
  entry *gone = *oldest;
  *oldest = gone->next;
  resolver->count--;
  free(gone);
  return true;
}

static struct cr_resolver *resolver_of(cr_loop *loop) {
  if (loop->resolver != NULL) return loop->resolver;
  struct cr_resolver *made = calloc(1, sizeof *made);
  if (made == NULL) return NULL;
  made->desk = cr_lookup_desk_make(loop, answered);
  if (made->desk == NULL) {
    free(made);
    return NULL;
  }
  return loop->resolver = made;
}

static entry *add_entry(cr_loop *loop, const char *host) {
  struct cr_resolver *resolver = loop->resolver;
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

static void wait_for(entry *found, cr_resolver_waiter *waiter) {
  waiter->next = found->waiters;
  waiter->link = &found->waiters;
  waiter->entry = found;
  if (waiter->next != NULL) waiter->next->link = &waiter->next;
  found->waiters = waiter;
}

/* ---- For connector.c ---- */

int cr_resolver_find(cr_loop *loop, const char *host, cr_addresses *addresses,
                     cr_resolver_waiter *waiter) {
  addresses->count = 1;
  if (cr_address_parse(host, &addresses->list[0])) return 0;
  struct cr_resolver *resolver = resolver_of(loop);
  if (resolver == NULL) return UV_EAI_MEMORY;
  entry *found = find_entry(resolver, host);
  if (found == NULL) {
    if (resolver->count >= MOST_ENTRIES && !evict(resolver)) return UV_EAI_AGAIN;
    found = add_entry(loop, host);
    if (found == NULL) return UV_EAI_MEMORY;
  }
  if (found->state == KNOWN && found->expires > cr_loop_time(loop)) {
    *addresses = found->addresses;
    return found->status;
  }
  if (found->state == LOOKING_UP && found->waiters == NULL) resolver->wanted++;
  if (found->state == KNOWN && has_room(resolver)) {
    int status = begin(resolver, found);
    if (status != 0) return status;
  } else if (found->state == KNOWN) {
    found->state = QUEUED;
    found->ticket = resolver->tickets++;
  }
  wait_for(found, waiter);
  return UV_EAGAIN;
}

void cr_resolver_leave(cr_resolver_waiter *waiter) {
  if (waiter->link == NULL) return;
  entry *found = waiter->entry;
  *waiter->link = waiter->next;
  if (waiter->next != NULL) waiter->next->link = waiter->link;
  waiter->next = NULL;
  waiter->link = NULL;
  if (found->waiters != NULL) return;
  if (found->state == QUEUED) found->state = KNOWN;
  if (found->state != LOOKING_UP) return;
  /* The thread goes on, and its answer will be kept; others need not wait for it. */
  found->loop->resolver->wanted--;
  begin_queued(found->loop);
}

void cr_resolver_stop(cr_loop *loop) {
  if (loop->resolver == NULL) return;
  cr_lookup_desk_close(loop->resolver->desk);
  loop->resolver->desk = NULL;
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

void cr_memory_lookup(cr_loop *loop, cr_lookup_function *function, void *context) {
  struct cr_resolver *resolver = resolver_of(loop);
  if (resolver != NULL) cr_lookup_desk_use(resolver->desk, function, context);
}
