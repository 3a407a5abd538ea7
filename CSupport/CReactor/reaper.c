#define _GNU_SOURCE

#include "reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How a group enters the list. The child itself writes its `add` message, after setsid and before
 * exec. Until exec it also holds an end of the pipe, so the reaper cannot see the end of the pipe
 * before that message, wherever between fork and exec the gateway dies: there is no moment at which
 * a program of ours runs unlisted. Were the parent to write it, its death between fork and write
 * would leave an orphan, and holding the child back until then would cost a second pipe.
 *
 * How a group leaves it. The gateway writes `remove` before it reaps the leader: while the leader
 * is a zombie its number is taken, so the list never names a group that somebody else could own. */

enum { GRACE_MS = 2000, STEP_MS = 20 };

struct cr_reaper {
  int descriptor;
  pid_t pid;
};

typedef struct group_list {
  int32_t *group;
  size_t count, capacity;
} group_list;

void cr_close_descriptors(unsigned first, unsigned last) {
  if (first > last || syscall(SYS_close_range, first, last, 0) == 0) return;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = 1024;
  for (unsigned descriptor = first; descriptor <= last && descriptor < limit.rlim_cur;
       descriptor++) {
    close((int)descriptor);
  }
}

void cr_reaper_tell(int descriptor, pid_t group, bool add) {
  if (descriptor < 0) return;
  cr_reaper_message message = {.group = (int32_t)group, .add = add};
  while (write(descriptor, &message, sizeof message) < 0 && errno == EINTR) {
  }
}

/* Pages of its own instead of malloc: the process may have been forked from one with threads, whose
 * allocator could be locked for good. */
static void list_add(group_list *list, int32_t group) {
  if (list->count == list->capacity) {
    size_t old = list->capacity * sizeof(int32_t);
    size_t size = old == 0 ? 4096 : old * 2;
    void *pages = old == 0
                      ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                      : mremap(list->group, old, size, MREMAP_MAYMOVE);
    if (pages == MAP_FAILED) return;
    list->group = pages;
    list->capacity = size / sizeof(int32_t);
  }
  list->group[list->count++] = group;
}

static void list_remove(group_list *list, int32_t group) {
  for (size_t i = 0; i < list->count; i++) {
    if (list->group[i] == group) {
      list->group[i] = list->group[--list->count];
      return;
    }
  }
}

static void list_signal(const group_list *list, int signal) {
  for (size_t i = 0; i < list->count; i++)
    kill(-list->group[i], signal);
}

static void end_groups(group_list *list) {
  list_signal(list, SIGTERM);
  for (int waited = 0; list->count > 0 && waited < GRACE_MS; waited += STEP_MS) {
    struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    nanosleep(&step, NULL);
    for (size_t i = list->count; i > 0; i--) {
      if (kill(-list->group[i - 1], 0) != 0 && errno == ESRCH)
        list_remove(list, list->group[i - 1]);
    }
  }
  list_signal(list, SIGKILL);
}

/* The whole life of the reaper process. Its pipe is descriptor 0. */
static void reap(void) {
  group_list list = {0};
  cr_reaper_message message[64];
  for (;;) {
    ssize_t got = read(0, message, sizeof message);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    /* Writes are atomic and of one size, so reads of a multiple of it end between two of them. */
    for (size_t i = 0; i < (size_t)got / sizeof *message; i++) {
      if (message[i].group <= 1) continue; /* kill(-1) would be everybody */
      if (message[i].add)
        list_add(&list, message[i].group);
      else
        list_remove(&list, message[i].group);
    }
  }
  end_groups(&list);
  _exit(0);
}

static void become_reaper(int reading_end) {
  setsid();
  for (int signal = 1; signal < NSIG; signal++) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    struct sigaction action = {.sa_handler = SIG_DFL};
    if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT ||
        signal == SIGPIPE) {
      action.sa_handler = SIG_IGN;
    }
    sigaction(signal, &action, NULL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_NAME, "sluice-reaper");
  if (chdir("/") != 0) _exit(1);
  if (dup2(reading_end, 0) != 0) _exit(1);
  cr_close_descriptors(1, ~0U);
  reap();
}

cr_error cr_reaper_start(cr_reaper **out) {
  *out = NULL;
  cr_reaper *reaper = calloc(1, sizeof *reaper);
  int ends[2];
  if (reaper == NULL) return (cr_error){CR_DOMAIN_UV, -ENOMEM};
  if (pipe2(ends, O_CLOEXEC) != 0) goto failed;

  /* No signal may run a handler of ours in the reaper. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  reaper->pid = fork();
  if (reaper->pid == 0) become_reaper(ends[0]);
  int problem = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);

  close(ends[0]);
  if (reaper->pid < 0) {
    close(ends[1]);
    errno = problem;
    goto failed;
  }
  reaper->descriptor = ends[1];
  *out = reaper;
  return CR_OK;

failed:;
  cr_error error = {CR_DOMAIN_UV, -errno};
  free(reaper);
  return error;
}

void cr_reaper_stop(cr_reaper *reaper) {
  if (reaper == NULL) return;
  close(reaper->descriptor);
  while (waitpid(reaper->pid, NULL, 0) < 0 && errno == EINTR) {
  }
  free(reaper);
}

int cr_reaper_descriptor(const cr_reaper *reaper) {
  return reaper == NULL ? -1 : reaper->descriptor;
}
