#define _GNU_SOURCE

#include "process/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/reaper.h"

/* Why not uv_spawn: it installs a SIGCHLD handler for the process and lets every loop look after
 * every exit, it can neither close the descriptors that other libraries left open nor write to the
 * reaper before exec, and it looks programs up in our PATH. vfork costs the same however large we
 * are; a pidfd per child needs no signal at all and belongs to one loop. */

/* What the child reports through a close-on-exec pipe; silence means that exec succeeded. */
typedef struct failure {
  int32_t domain, code;
} failure;

typedef struct plan {
  const cr_child_options *options;
  const char *path; /* of the child's environment */
  const char *
      *shell;  /* arguments for a script without an interpreter line; [1] is still to be set */
  int ends[3]; /* its 0, 1, 2; all above 2 */
  int report;  /* writing end */
  cr_reaper *reaper;
  const char **environment;
} plan;

static const char *path_of(const char *const *environment) {
  for (; *environment != NULL; environment++) {
    if (strncmp(*environment, "PATH=", 5) == 0) return *environment + 5;
  }
  return "/usr/local/bin:/usr/bin:/bin";
}

/* ---- In the child, between vfork and exec: async-signal-safe calls only, and no write to memory
 * that the parent still reads. ---- */

static void mark_descriptors_close_on_exec(void) {
  if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = 1024;
  for (int descriptor = 3; descriptor < (int)limit.rlim_cur; descriptor++) {
    int flags = fcntl(descriptor, F_GETFD);
    if (flags >= 0) fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC);
  }
}

/* Ours may have been raised for the sake of many connections; programs that walk through all
 * descriptors, or that use select, do better with what we were given. */
static void limit_descriptors(uint64_t most) {
  struct rlimit limit;
  if (most == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= most) return;
  limit.rlim_cur = most;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/* So much and no more, unless it is less already. */
static void limit(__rlimit_resource_t resource, uint64_t most) {
  struct rlimit limit;
  if (most == 0 || getrlimit(resource, &limit) != 0) return;
  if (limit.rlim_max > most) limit.rlim_max = most;
  if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
  setrlimit(resource, &limit);
}

/* 0 stands for whoever writes it (cgroups(7)). */
static void enter_group(int group) {
  if (group <= 0) return;
  while (write(group, "0", 1) < 0 && errno == EINTR) {
  }
}

static void reset_signals(void) {
  /* By hand, as the C library does not let its own two signals be set. All zero is SIG_DFL for the
   * kernel, whatever the layout of its sigaction. */
  static const uint64_t by_default[8];
  for (int signal = 1; signal < NSIG; signal++) {
    syscall(SYS_rt_sigaction, signal, by_default, NULL, sizeof(uint64_t));
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void execute(const plan *plan, const char *program) {
  char *const *arguments = (char *const *)plan->options->arguments;
  char *const *environment = (char *const *)plan->environment;
  execve(program, arguments, environment);
  if (errno != ENOEXEC) return;
  plan->shell[1] = program;
  execve("/bin/sh", (char *const *)plan->shell, environment);
}

/* As execvp, but in the PATH of the child. */
static void execute_by_name(const plan *plan) {
  const char *name = plan->options->arguments[0];
  if (strchr(name, '/') != NULL) {
    execute(plan, name);
    return;
  }
  size_t length = strlen(name);
  int problem = ENOENT;
  for (const char *entry = plan->path; entry != NULL;) {
    const char *end = strchrnul(entry, ':');
    size_t folder = (size_t)(end - entry);
    char program[PATH_MAX];
    if (length > 0 && folder + length + 2 <= sizeof program) {
      memcpy(program, entry, folder);
      if (folder > 0) program[folder++] = '/';
      memcpy(program + folder, name, length + 1);
      execute(plan, program);
      if (errno == EACCES)
        problem = EACCES;
      else if (errno != ENOENT && errno != ENOTDIR)
        return;
    }
    entry = *end == ':' ? end + 1 : NULL;
  }
  errno = problem;
}

static void fail(const plan *plan, int domain, int code) {
  failure report = {domain, code};
  while (write(plan->report, &report, sizeof report) < 0 && errno == EINTR) {
  }
  _exit(127);
}

static void become_program(const plan *plan) {
  /* A terminal of ours is none of its business: with a session of its own it can neither take
   * Ctrl-C from us nor ask for passwords on our terminal. */
  setsid();
  if (!cr_reaper_add(plan->reaper, getpid())) fail(plan, CR_DOMAIN_UV, -EAGAIN);

  for (int i = 0; i < 3; i++) {
    if (dup2(plan->ends[i], i) < 0) fail(plan, CR_DOMAIN_UV, -errno);
  }
  const char *directory = plan->options->directory;
  if (directory != NULL && chdir(directory) != 0) {
    fail(plan, errno == ENOENT || errno == ENOTDIR ? CR_DOMAIN_REACTOR : CR_DOMAIN_UV,
         errno == ENOENT || errno == ENOTDIR ? CR_REASON_NO_DIRECTORY : -errno);
  }
  enter_group(plan->options->group);
  mark_descriptors_close_on_exec();
  limit_descriptors(plan->options->descriptors);
  limit(RLIMIT_NOFILE, plan->options->files);
  limit(RLIMIT_DATA, plan->options->data);
  limit(RLIMIT_NPROC, plan->options->processes);
  reset_signals();
  execute_by_name(plan);
  fail(plan, errno == ENOENT ? CR_DOMAIN_REACTOR : CR_DOMAIN_UV,
       errno == ENOENT ? CR_REASON_NO_PROGRAM : -errno);
}

/* Alone in its frame, which the child shares until exec. */
__attribute__((noinline)) static pid_t start(const plan *plan) {
  /* A signal handler of ours must not run in the child on our memory. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = vfork();
  if (pid == 0) become_program(plan);
  int problem = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = problem;
  return pid;
}

/* ---- In the parent ---- */

static void close_one(int *descriptor) {
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = -1;
}

/* A pipe whose ends are above 2, where the child's own descriptors go, even if we were started
 * without some of ours. */
static int make_pipe(int ends[2]) {
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  for (int i = 0; i < 2; i++) {
    if (ends[i] > 2) continue;
    int moved = fcntl(ends[i], F_DUPFD_CLOEXEC, 3);
    if (moved < 0) {
      int problem = errno;
      close_one(&ends[0]);
      close_one(&ends[1]);
      errno = problem;
      return -1;
    }
    close(ends[i]);
    ends[i] = moved;
  }
  return 0;
}

static cr_error await_exec(int report) {
  failure result = {0};
  ssize_t got;
  do {
    got = read(report, &result, sizeof result);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return CR_OK;
  if (got != sizeof result) return (cr_error){CR_DOMAIN_UV, -EIO};
  return (cr_error){(uint16_t)result.domain, result.code};
}

static void reap_failed(pid_t pid, cr_reaper *reaper) {
  cr_reaper_remove(reaper, pid);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
}

static const char **shell_arguments(const char *const *arguments) {
  size_t count = 0;
  while (arguments[count] != NULL)
    count++;
  const char **shell = calloc(count + 2, sizeof *shell);
  if (shell == NULL) return NULL;
  shell[0] = "sh";
  for (size_t i = 1; i < count; i++)
    shell[i + 1] = arguments[i];
  return shell;
}

/* What it is to get, and the reaper's variable; in place of one that was handed down. */
static const char **environment_of(const cr_child_options *options, const cr_reaper *reaper) {
  size_t count = 0, name = strlen(CR_REAPER_VARIABLE);
  while (options->environment[count] != NULL)
    count++;
  const char **environment = calloc(count + 2, sizeof *environment);
  if (environment == NULL) return NULL;
  size_t taken = 0;
  for (size_t i = 0; i < count; i++) {
    bool is_reapers = strncmp(options->environment[i], CR_REAPER_VARIABLE, name) == 0;
    if (reaper == NULL || !is_reapers) environment[taken++] = options->environment[i];
  }
  if (reaper != NULL) environment[taken] = cr_reaper_variable(reaper);
  return environment;
}

cr_error cr_spawn(cr_spawned *out, const cr_child_options *options, cr_reaper *reaper) {
  int pipes[4][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}}; /* 0, 1, 2, and the report */
  cr_error error = CR_OK;
  *out = (cr_spawned){.pid = -1, .input = -1, .output = -1, .log = -1, .exit = -1};
  if (options->arguments[0] == NULL) return (cr_error){CR_DOMAIN_UV, -EINVAL};

  plan plan = {.options = options, .path = path_of(options->environment), .reaper = reaper};
  plan.shell = shell_arguments(options->arguments);
  plan.environment = environment_of(options, reaper);
  if (plan.shell == NULL || plan.environment == NULL) {
    errno = ENOMEM;
    goto system_error;
  }
  for (int i = 0; i < 4; i++) {
    if (make_pipe(pipes[i]) != 0) goto system_error;
  }
  plan.ends[0] = pipes[0][0];
  plan.ends[1] = pipes[1][1];
  plan.ends[2] = pipes[2][1];
  plan.report = pipes[3][1];

  out->pid = start(&plan);
  if (out->pid < 0) goto system_error;
  close_one(&pipes[3][1]);
  error = await_exec(pipes[3][0]);
  if (cr_failed(error)) {
    reap_failed(out->pid, reaper);
    goto cleanup;
  }
  /* Not reaped yet, so the number is surely still that child's. */
  out->exit = (int)syscall(SYS_pidfd_open, out->pid, 0);
  if (out->exit < 0) {
    error = (cr_error){CR_DOMAIN_UV, -errno};
    kill(-out->pid, SIGKILL);
    reap_failed(out->pid, reaper);
    goto cleanup;
  }
  out->input = pipes[0][1];
  out->output = pipes[1][0];
  out->log = pipes[2][0];
  pipes[0][1] = pipes[1][0] = pipes[2][0] = -1;
  fcntl(out->input, F_SETFL, O_WRONLY | O_NONBLOCK);
  fcntl(out->output, F_SETFL, O_RDONLY | O_NONBLOCK);
  fcntl(out->log, F_SETFL, O_RDONLY | O_NONBLOCK);
  goto cleanup;

system_error:
  error = (cr_error){CR_DOMAIN_UV, -errno};
cleanup:
  for (int i = 0; i < 4; i++) {
    close_one(&pipes[i][0]);
    close_one(&pipes[i][1]);
  }
  free(plan.shell);
  free(plan.environment);
  return error;
}
