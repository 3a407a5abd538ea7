#define _GNU_SOURCE

#include "process/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process/groups.h"
#include "process/strays.h"

/* How a group enters the list. The child itself puts it there, after setsid and before exec. Until
 * exec it also holds an end of the pipe, so the reaper cannot see the end of the pipe before that,
 * wherever between fork and exec the gateway dies: there is no moment at which a program of ours
 * runs unlisted. Were the parent to do it, its death between fork and that would leave an orphan,
 * and holding the child back until then would cost a second pipe.
 *
 * How a group leaves it. The gateway removes it before it reaps the leader: while the leader is a
 * zombie its number is taken, so the list never names a group that somebody else could own. */

enum { GRACE_MS = 2000, STEP_MS = 20, LOOK_STEPS = 10, KILL_STEPS = 25 };

struct cr_reaper {
  cr_group_list *groups;
  int descriptor; /* writing end of a pipe that nothing is written to */
  pid_t pid;
  char variable[1024];
  const char *value; /* the part of `variable` that is ours alone */
};

/* ---- The list ---- */

bool cr_reaper_add(cr_reaper *reaper, pid_t group) {
  return reaper == NULL || cr_group_list_add(reaper->groups, (int32_t)group);
}

void cr_reaper_remove(cr_reaper *reaper, pid_t group) {
  if (reaper != NULL) cr_group_list_remove(reaper->groups, (int32_t)group);
}

/* ---- The reaper process ---- */

/* close_range, or the same by hand on a kernel without it. */
static void close_descriptors(unsigned first, unsigned last) {
  if (first > last || syscall(SYS_close_range, first, last, 0) == 0) return;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = 1024;
  for (unsigned descriptor = first; descriptor <= last && descriptor < limit.rlim_cur;
       descriptor++) {
    close((int)descriptor);
  }
}

static void signal_groups(cr_group_list *list, int signal) {
  uint32_t used = atomic_load(&list->used);
  for (uint32_t i = 0; i < used; i++) {
    int32_t group = atomic_load(&list->group[i]);
    if (group > 1) kill(-group, signal); /* kill(-1) would be everybody */
  }
}

/* Takes those off the list that have nobody in them any more; whether there are others. */
static bool groups_left(cr_group_list *list) {
  bool left = false;
  uint32_t used = atomic_load(&list->used);
  for (uint32_t i = 0; i < used; i++) {
    int32_t group = atomic_load(&list->group[i]);
    if (group <= 1) continue;
    if (kill(-group, 0) != 0 && errno == ESRCH)
      atomic_store(&list->group[i], 0);
    else
      left = true;
  }
  return left;
}

static void pause_step(void) {
  struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
  nanosleep(&step, NULL);
}

/* SIGTERM, and SIGKILL after the grace, to all there is and to what they start meanwhile. */
static void end_all(const cr_reaper *reaper) {
  cr_group_list *groups = reaper->groups;
  cr_strays strays = {0};
  cr_strays_look(&strays, groups, reaper->value);
  signal_groups(groups, SIGTERM);
  cr_strays_signal(&strays, 0, SIGTERM);
  for (int step = 1; step <= GRACE_MS / STEP_MS; step++) {
    size_t known = cr_strays_left(&strays);
    bool left = groups_left(groups) || known > 0;
    if (!left || step % LOOK_STEPS == 0) {
      size_t fresh = cr_strays_look(&strays, groups, reaper->value);
      cr_strays_signal(&strays, strays.count - fresh, SIGTERM);
      if (!left && fresh == 0) return;
    }
    pause_step();
  }
  for (int step = 0; step < KILL_STEPS; step++) {
    signal_groups(groups, SIGKILL);
    cr_strays_signal(&strays, 0, SIGKILL);
    pause_step();
    bool left = groups_left(groups);
    size_t known = cr_strays_left(&strays);
    if (cr_strays_look(&strays, groups, reaper->value) + known == 0 && !left) return;
  }
}

/* The whole life of the reaper process. Its pipe is descriptor 0. */
static void reap(const cr_reaper *reaper) {
  char nothing;
  while (read(0, &nothing, 1) < 0 && errno == EINTR) {
  }
  end_all(reaper);
  _exit(0);
}

static void become_reaper(const cr_reaper *reaper, int reading_end) {
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
  close_descriptors(1, ~0U);
  reap(reaper);
}

/* ---- For the process that it is there for ---- */

/* Forks the process; leaves all as it was on failure. */
static cr_error launch(cr_reaper *reaper) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return (cr_error){CR_DOMAIN_UV, -errno};

  /* No signal may run a handler of ours in the reaper. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  if (pid == 0) become_reaper(reaper, ends[0]);
  int problem = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);

  close(ends[0]);
  if (pid < 0) {
    close(ends[1]);
    return (cr_error){CR_DOMAIN_UV, -problem};
  }
  if (reaper->descriptor >= 0) close(reaper->descriptor);
  reaper->descriptor = ends[1];
  reaper->pid = pid;
  return CR_OK;
}

/* Our own variable's value, if we are such a child ourselves, goes on in those of our children:
 * what comes of them comes of whoever started us too. */
static bool make_variable(cr_reaper *reaper) {
  unsigned char random[16];
  if (getrandom(random, sizeof random, 0) != sizeof random) return false;
  char own[2 * sizeof random + 1];
  for (size_t i = 0; i < sizeof random; i++)
    snprintf(own + 2 * i, 3, "%02x", random[i]);
  const char *outer = getenv("_SLUICE_CHILD");
  bool nested = outer != NULL && strlen(outer) < sizeof reaper->variable / 2;
  int length = snprintf(reaper->variable, sizeof reaper->variable, "%s%s%s%s", CR_REAPER_VARIABLE,
                        nested ? outer : "", nested ? "." : "", own);
  reaper->value = reaper->variable + length - strlen(own);
  return true;
}

void cr_reaping_prepare(void) {
  struct sigaction now;
  if (sigaction(SIGCHLD, NULL, &now) != 0) return;
  bool discards = now.sa_handler == SIG_IGN || (now.sa_flags & SA_NOCLDWAIT) != 0;
  if (discards) signal(SIGCHLD, SIG_DFL);
}

cr_error cr_reaper_start(cr_reaper **out) {
  *out = NULL;
  cr_reaping_prepare();
  cr_reaper *reaper = calloc(1, sizeof *reaper);
  if (reaper == NULL) return (cr_error){CR_DOMAIN_UV, -ENOMEM};
  reaper->descriptor = -1;
  reaper->groups =
      mmap(NULL, sizeof *reaper->groups, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  cr_error error = CR_OK;
  if (reaper->groups == MAP_FAILED || !make_variable(reaper))
    error = (cr_error){CR_DOMAIN_UV, -errno};
  else
    error = launch(reaper);
  if (cr_failed(error)) {
    if (reaper->groups != MAP_FAILED) munmap(reaper->groups, sizeof *reaper->groups);
    free(reaper);
    return error;
  }
  *out = reaper;
  return CR_OK;
}

cr_error cr_reaper_restart(cr_reaper *reaper, bool *started) {
  *started = false;
  /* While it lives, nothing may happen to its pipe. */
  if (reaper->pid > 0 && waitpid(reaper->pid, NULL, WNOHANG) == 0) return CR_OK;
  reaper->pid = 0;
  /* A copy of a process that has grown, whose pages it shares until one of both changes them; rare
   * enough for that. There are threads now, so it must not use the allocator, nor does it. */
  cr_error error = launch(reaper);
  *started = !cr_failed(error);
  return error;
}

void cr_reaper_stop(cr_reaper *reaper) {
  if (reaper == NULL) return;
  close(reaper->descriptor);
  while (reaper->pid > 0 && waitpid(reaper->pid, NULL, 0) < 0 && errno == EINTR) {
  }
  munmap(reaper->groups, sizeof *reaper->groups);
  free(reaper);
}

int cr_reaper_descriptor(const cr_reaper *reaper) {
  return reaper->descriptor;
}

const char *cr_reaper_variable(const cr_reaper *reaper) {
  return reaper->variable;
}
