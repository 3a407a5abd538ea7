#define _GNU_SOURCE /* pthread_setname_np */

#include "connector/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "loop/loop.h"
#include "loop/mailbox.h"

/* Enough for getaddrinfo and the modules that nsswitch.conf may name; address space, until used. */
enum { STACK = 512 * 1024 };

struct cr_lookup_desk {
  pthread_mutex_t lock;
  cr_loop *loop;    /* under the lock; NULL: it has ended */
  unsigned holders; /* under the lock: the loop, and each thread */
  cr_lookup_answered *answered;
  cr_lookup_function *function;
  void *context;
};

/* Of one thread; it travels back in the mail that brings the answer. */
typedef struct job {
  cr_lookup_desk *desk; /* the thread's: the loop may have closed it when the mail is opened */
  cr_lookup_answered *answered;
  cr_lookup_function *function;
  void *context;
  int status;
  cr_addresses addresses;
  char host[];
} job;

cr_lookup_desk *cr_lookup_desk_make(cr_loop *loop, cr_lookup_answered *answered) {
  cr_lookup_desk *desk = calloc(1, sizeof *desk);
  if (desk == NULL) return NULL;
  pthread_mutex_init(&desk->lock, NULL);
  desk->loop = loop;
  desk->holders = 1;
  desk->answered = answered;
  return desk;
}

void cr_lookup_desk_use(cr_lookup_desk *desk, cr_lookup_function *function, void *context) {
  desk->function = function;
  desk->context = context;
}

/* Ends with the lock given back, or with the desk. */
static void leave(cr_lookup_desk *desk) {
  bool last = --desk->holders == 0;
  pthread_mutex_unlock(&desk->lock);
  if (!last) return;
  pthread_mutex_destroy(&desk->lock);
  free(desk);
}

void cr_lookup_desk_close(cr_lookup_desk *desk) {
  pthread_mutex_lock(&desk->lock);
  desk->loop = NULL;
  leave(desk);
}

/* ---- On the thread ---- */

int cr_lookup_status(int error) {
  switch (error) {
  case 0:
    return 0;
  case EAI_SYSTEM:
    return errno != 0 ? -errno : UV_EAI_FAIL;
  case EAI_AGAIN:
    return UV_EAI_AGAIN;
  case EAI_MEMORY:
    return UV_EAI_MEMORY;
  case EAI_NODATA:
    return UV_EAI_NODATA;
  case EAI_NONAME:
    return UV_EAI_NONAME;
  case EAI_FAMILY:
    return UV_EAI_FAMILY;
  default:
    return UV_EAI_FAIL;
  }
}

static unsigned count_family(const struct addrinfo *list, int family) {
  unsigned count = 0;
  for (; list != NULL; list = list->ai_next)
    count += list->ai_family == family;
  return count;
}

static unsigned least(unsigned one, unsigned other) {
  return one < other ? one : other;
}

/* As many as there is room for, in their order; neither family takes the room of the other. */
static void take(cr_addresses *out, const struct addrinfo *list) {
  enum { ROOM = CR_ATTEMPT_ADDRESSES, HALF = ROOM / 2 };
  unsigned v4 = count_family(list, AF_INET), v6 = count_family(list, AF_INET6);
  unsigned left6 = least(v6, v4 < HALF ? ROOM - v4 : HALF);
  unsigned left4 = least(v4, ROOM - left6);
  out->count = 0;
  for (; list != NULL; list = list->ai_next) {
    if (list->ai_family != AF_INET && list->ai_family != AF_INET6) continue;
    unsigned *left = list->ai_family == AF_INET ? &left4 : &left6;
    if (*left == 0) continue;
    --*left;
    memcpy(&out->list[out->count++], list->ai_addr, list->ai_addrlen);
  }
}

static int ask_system(const char *host, cr_addresses *out) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo *list = NULL;
  errno = 0;
  int status = cr_lookup_status(getaddrinfo(host, NULL, &hints, &list));
  if (status != 0) return status;
  take(out, list);
  freeaddrinfo(list);
  return 0;
}

static int ask_function(const job *job, cr_addresses *out) {
  char text[CR_ATTEMPT_ADDRESSES * (INET6_ADDRSTRLEN + 1)] = {0};
  int status = job->function(job->context, job->host, text, sizeof text);
  char *rest = text, *word;
  while (status == 0 && out->count < CR_ATTEMPT_ADDRESSES &&
         (word = strtok_r(rest, " ", &rest)) != NULL) {
    if (cr_address_parse(word, &out->list[out->count])) out->count++;
  }
  return status;
}

static void open_mail(cr_loop *loop, cr_mail *mail) {
  job *job = (struct job *)(void *)mail->bytes;
  job->answered(loop, job->host, job->status, &job->addresses);
}

static void *run(void *argument) {
  cr_mail *mail = argument;
  job *job = (struct job *)(void *)mail->bytes;
  cr_lookup_desk *desk = job->desk;
  pthread_setname_np(pthread_self(), "sluice-lookup");
  job->status = job->function != NULL ? ask_function(job, &job->addresses)
                                      : ask_system(job->host, &job->addresses);
  if (job->status == 0 && job->addresses.count == 0) job->status = UV_EAI_NODATA;
  pthread_mutex_lock(&desk->lock);
  if (desk->loop != NULL)
    cr_loop_post_call(desk->loop, mail, open_mail);
  else
    free(mail);
  leave(desk);
  return NULL;
}

/* ---- On the loop ---- */

static int start(cr_mail *mail) {
  pthread_attr_t attributes;
  sigset_t all, before;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, STACK);
  /* Signals are for those who handle them. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&thread, &attributes, run, mail);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return -error;
}

int cr_lookup_begin(cr_lookup_desk *desk, const char *host) {
  size_t length = strlen(host) + 1;
  cr_mail *mail = cr_mail_make(0, sizeof(job) + length);
  if (mail == NULL) return UV_ENOMEM;
  job *job = (struct job *)(void *)mail->bytes;
  memset(job, 0, sizeof *job);
  job->desk = desk;
  job->answered = desk->answered;
  job->function = desk->function;
  job->context = desk->context;
  memcpy(job->host, host, length);
  pthread_mutex_lock(&desk->lock);
  desk->holders++;
  pthread_mutex_unlock(&desk->lock);
  int status = start(mail);
  if (status == 0) return 0;
  free(mail);
  pthread_mutex_lock(&desk->lock);
  leave(desk);
  return status;
}
