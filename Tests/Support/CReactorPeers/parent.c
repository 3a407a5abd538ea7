#include <CReactor.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "CReactorPeers.h"

typedef struct parent {
  cr_loop *loop;
  int report;
  bool stops;
} parent;

static void pass_on(void *context, cr_id child, uint64_t tag, cwire_span line) {
  (void)child, (void)tag;
  parent *parent = context;
  int descriptor = parent->report;
  if (write(descriptor, line.base, line.length) < 0 || write(descriptor, "\n", 1) < 0) _exit(1);
  if (parent->stops) cr_loop_stop(parent->loop);
}

static void run_parent(const char *script, bool stops, int report) {
  cr_reaper *reaper = NULL;
  parent parent = {.report = report, .stops = stops};
  if (cr_failed(cr_reaper_start(&reaper))) _exit(1);
  cr_handlers handlers = {.child_line = pass_on};
  cr_loop_options options = {.max_connections = 4, .reaper = reaper};
  if (cr_failed(cr_loop_create(&parent.loop, &options, &handlers, &parent))) _exit(1);
  const char *arguments[] = {"/bin/sh", "-c", script, NULL};
  const char *environment[] = {"PATH=/usr/bin:/bin", NULL};
  cr_child_options child = {
      .arguments = arguments, .environment = environment, .max_line = 4096, .grace = 2000};
  if (cr_child_start(parent.loop, &child, 0) == 0) _exit(1);
  cr_loop_run(parent.loop);
  cr_reaper_stop(reaper);
  _exit(0);
}

int64_t peer_parent_start(const char *script, bool stops, char *line, size_t capacity) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    run_parent(script, stops, ends[1]);
  }
  close(ends[1]);
  size_t length = 0;
  while (pid > 0 && length + 1 < capacity) {
    ssize_t got = read(ends[0], line + length, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || line[length] == '\n') break;
    length++;
  }
  line[length] = '\0';
  close(ends[0]);
  return pid;
}

bool peer_parent_wait(int64_t pid) {
  int status = -1;
  while (waitpid((pid_t)pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void peer_parent_kill(int64_t pid) {
  kill((pid_t)pid, SIGKILL);
  while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR) {
  }
}

typedef struct tally {
  uint32_t ended;
} tally;

static void count_exit(void *context, cr_id child, uint64_t tag, cr_error error, int64_t status,
                       int signal) {
  (void)child, (void)tag, (void)error, (void)status, (void)signal;
  ((tally *)context)->ended++;
}

static void note_status(void *context, cr_id child, uint64_t tag, cr_error error, int64_t status,
                        int signal) {
  (void)child, (void)tag, (void)error, (void)signal;
  *(int64_t *)context = status;
}

static int64_t status_of_child(int status) {
  char script[32];
  int64_t told = -2;
  cr_loop *loop = NULL;
  cr_handlers handlers = {.child_exited = note_status};
  cr_loop_options options = {.max_connections = 1};
  if (cr_failed(cr_loop_create(&loop, &options, &handlers, &told))) return told;
  snprintf(script, sizeof script, "exit %d", status);
  const char *arguments[] = {"/bin/sh", "-c", script, NULL};
  const char *environment[] = {"PATH=/usr/bin:/bin", NULL};
  cr_child_options child = {
      .arguments = arguments, .environment = environment, .max_line = 4096, .grace = 2000};
  if (cr_child_start(loop, &child, 0) == 0) return told;
  while (told == -2)
    cr_loop_step(loop);
  cr_loop_destroy(loop);
  return told;
}

int64_t peer_status_with_sigchld_ignored(int status) {
  int ends[2];
  int64_t told = -2;
  if (pipe(ends) != 0) return told;
  pid_t pid = fork();
  if (pid == 0) {
    signal(SIGCHLD, SIG_IGN);
    told = status_of_child(status);
    _exit(write(ends[1], &told, sizeof told) != sizeof told);
  }
  close(ends[1]);
  if (read(ends[0], &told, sizeof told) != sizeof told) told = -2;
  close(ends[0]);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
  return told;
}

static int count_descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  int count = 0;
  if (folder == NULL) _exit(1);
  while (readdir(folder) != NULL)
    count++;
  closedir(folder);
  return count;
}

static int measure_leak(uint32_t children) {
  enum { AT_ONCE = 20 };
  tally tally = {0};
  cr_reaper *reaper = NULL;
  cr_loop *loop = NULL;
  cr_handlers handlers = {.child_exited = count_exit};
  if (cr_failed(cr_reaper_start(&reaper))) _exit(1);
  cr_loop_options options = {.max_connections = AT_ONCE, .reaper = reaper};
  if (cr_failed(cr_loop_create(&loop, &options, &handlers, &tally))) _exit(1);
  int before = 0;
  for (uint32_t started = 0; tally.ended <= children;) {
    /* What libuv opens once and keeps has come with the first of them. */
    if (tally.ended == 1 && before == 0) before = count_descriptors();
    uint32_t at_once = before == 0 ? 1 : AT_ONCE;
    while (started <= children && started - tally.ended < at_once) {
      const char *arguments[] = {started % 2 == 0 ? "true" : "no-such-program", NULL};
      const char *environment[] = {"PATH=/usr/bin:/bin", NULL};
      cr_child_options child = {
          .arguments = arguments, .environment = environment, .max_line = 4096, .grace = 2000};
      if (cr_child_start(loop, &child, started++) == 0) _exit(1);
    }
    cr_loop_step(loop);
  }
  int leaked = count_descriptors() - before;
  cr_loop_destroy(loop);
  cr_reaper_stop(reaper);
  return leaked;
}

int peer_descriptors_leaked(uint32_t children) {
  int ends[2], leaked = -1;
  if (pipe(ends) != 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    int found = measure_leak(children);
    _exit(write(ends[1], &found, sizeof found) != sizeof found);
  }
  close(ends[1]);
  if (read(ends[0], &leaked, sizeof leaked) != sizeof leaked) leaked = -1;
  close(ends[0]);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
  return leaked;
}
