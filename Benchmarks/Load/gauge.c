#include "gauge.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PROCESSES = 4096 };

typedef struct process {
  pid_t pid, parent;
  uint64_t ticks;
} process;

static bool read_text(const char *path, char *text, size_t capacity) {
  FILE *file = fopen(path, "r");
  if (file == NULL) return false;
  size_t length = fread(text, 1, capacity - 1, file);
  fclose(file);
  text[length] = '\0';
  return length > 0;
}

/* The fields after the name, which may hold anything, in /proc/<pid>/stat. */
static bool read_process(process *process, pid_t pid) {
  char path[64], text[1024];
  unsigned long user, system;
  int parent;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (!read_text(path, text, sizeof text)) return false;
  const char *fields = strrchr(text, ')');
  if (fields == NULL || sscanf(fields + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                               &parent, &user, &system) != 3)
    return false;
  *process = (struct process){.pid = pid, .parent = parent, .ticks = user + system};
  return true;
}

/* Time on a CPU to the nanosecond, of all its threads that live; 0 where the kernel keeps none. */
static uint64_t read_runtime(pid_t pid) {
  char path[300], text[128];
  uint64_t sum = 0, one;
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *folder = opendir(path);
  if (folder == NULL) return 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", pid, entry->d_name);
    if (read_text(path, text, sizeof text) && sscanf(text, "%lu", &one) == 1) sum += one;
  }
  closedir(folder);
  return sum;
}

static uint64_t read_pss(pid_t pid) {
  char path[64], text[4096];
  unsigned long kilobytes = 0;
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
  if (!read_text(path, text, sizeof text)) return 0;
  const char *line = strstr(text, "\nPss:");
  if (line != NULL) sscanf(line, "\nPss: %lu", &kilobytes);
  return (uint64_t)kilobytes * 1024;
}

static void add(gauge *gauge, const process *process) {
  uint64_t runtime = read_runtime(process->pid);
  uint64_t per_tick = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
  gauge->cpu += runtime > 0 ? runtime : process->ticks * per_tick;
  gauge->pss += read_pss(process->pid);
}

/* The named processes and whatever descends from them. */
static void add_tree(gauge *gauge, const options *options) {
  static process all[MAX_PROCESSES];
  static bool counted[MAX_PROCESSES];
  unsigned count = 0;
  DIR *folder = opendir("/proc");
  if (folder == NULL) return;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL && count < MAX_PROCESSES;) {
    if (isdigit((unsigned char)entry->d_name[0]) && read_process(&all[count], atoi(entry->d_name)))
      counted[count++] = false;
  }
  closedir(folder);
  for (bool changed = true; changed;) {
    changed = false;
    for (unsigned i = 0; i < count; i++) {
      bool belongs = false;
      for (unsigned j = 0; j < options->pid_count; j++)
        belongs |= all[i].pid == options->pids[j];
      for (unsigned j = 0; j < count && !belongs; j++)
        belongs = counted[j] && all[j].pid == all[i].parent;
      if (!belongs || counted[i]) continue;
      counted[i] = changed = true;
      add(gauge, &all[i]);
    }
  }
}

bool gauge_read(gauge *gauge, const options *options) {
  *gauge = (struct gauge){0};
  for (unsigned i = 0; i < options->pid_count; i++) {
    process process;
    if (!read_process(&process, options->pids[i])) {
      fprintf(stderr, "sluice-load: there is no process %d\n", options->pids[i]);
      return false;
    }
    if (!options->tree) add(gauge, &process);
  }
  if (options->tree) add_tree(gauge, options);
  return true;
}
