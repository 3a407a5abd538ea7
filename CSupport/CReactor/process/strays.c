#define _GNU_SOURCE

#include "process/strays.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Room for one more entry at the end of an array, in pages of its own. */
static bool grow(void **base, size_t *capacity, size_t used, size_t entry) {
  enum { FIRST = 16384 };
  if (used + entry <= *capacity) return true;
  size_t size = *capacity == 0 ? FIRST : *capacity * 2;
  int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
  void *pages = *capacity == 0 ? mmap(NULL, size, protection, flags, -1, 0)
                               : mremap(*base, *capacity, size, MREMAP_MAYMOVE);
  if (pages == MAP_FAILED) return false;
  *base = pages;
  *capacity = size;
  return true;
}

/* A decimal number at the beginning; 0 if there is none. */
static uint64_t number_at(const char *text) {
  uint64_t number = 0;
  for (; *text >= '0' && *text <= '9'; text++)
    number = number * 10 + (uint64_t)(*text - '0');
  return number;
}

static int open_file(int proc, int32_t pid, const char *name) {
  char path[32];
  char *start = path + 12;
  strcpy(start, name); /* "/environ" at the longest */
  for (; pid > 0; pid /= 10)
    *--start = (char)('0' + pid % 10);
  return openat(proc, start, O_RDONLY | O_CLOEXEC);
}

/* What `stat` says; false if there is no such process any more, be it a zombie. */
static bool read_process(int proc, int32_t pid, cr_process *process) {
  char text[1024];
  int file = open_file(proc, pid, "/stat");
  if (file < 0) return false;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return false;
  text[length] = 0;
  /* The name is in parentheses and may hold any byte. */
  char *field = strrchr(text, ')');
  if (field == NULL || field[1] != ' ' || field[2] == 'Z' || field[2] == 'X') return false;
  enum { STATE = 3, PARENT = 4, GROUP = 5, STARTED = 22 };
  *process = (cr_process){.pid = pid};
  field += 2;
  for (int number = STATE; number <= STARTED && field != NULL; number++) {
    if (number == PARENT) process->parent = (int32_t)number_at(field);
    if (number == GROUP) process->group = (int32_t)number_at(field);
    if (number == STARTED) process->started = number_at(field);
    field = strchr(field, ' ');
    if (field != NULL) field++;
  }
  return process->started != 0;
}

static bool environment_has(int proc, int32_t pid, const char *value) {
  char text[8192];
  size_t length = strlen(value), kept = 0;
  bool found = false;
  int file = open_file(proc, pid, "/environ");
  if (file < 0) return false;
  for (ssize_t got; !found && (got = read(file, text + kept, sizeof text - kept)) > 0;) {
    size_t have = kept + (size_t)got;
    found = memmem(text, have, value, length) != NULL;
    kept = have < length ? have : length - 1;
    memmove(text, text + have - kept, kept);
  }
  close(file);
  return found;
}

static bool is_known(const cr_strays *strays, const cr_process *process) {
  for (size_t i = 0; i < strays->count; i++) {
    const cr_stray *stray = &strays->stray[i];
    if (stray->pid == process->pid && stray->started == process->started) return true;
  }
  return false;
}

static cr_process *find(const cr_strays *strays, int32_t pid) {
  size_t low = 0, high = strays->processes;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    cr_process *process = &strays->process[middle];
    if (process->pid == pid) return process;
    if (process->pid < pid)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

static void list_process(cr_strays *strays, int proc, int32_t pid, cr_group_list *groups,
                         const char *value) {
  cr_process process;
  if (pid <= 1 || pid == getpid() || !read_process(proc, pid, &process)) return;
  process.ours = cr_group_list_has(groups, process.group) || is_known(strays, &process) ||
                 environment_has(proc, pid, value);
  size_t used = strays->processes * sizeof process;
  if (!grow((void **)&strays->process, &strays->process_capacity, used, sizeof process)) return;
  strays->process[strays->processes++] = process;
}

/* All processes, in the order of /proc, which is that of their numbers. */
static void list_processes(cr_strays *strays, int proc, cr_group_list *groups, const char *value) {
  struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
  };
  _Alignas(struct entry) char entries[8192];
  strays->processes = 0;
  for (long got; (got = syscall(SYS_getdents64, proc, entries, sizeof entries)) > 0;) {
    for (long at = 0; at < got;) {
      const struct entry *entry = (const struct entry *)(const void *)(entries + at);
      list_process(strays, proc, (int32_t)number_at(entry->name), groups, value);
      at += entry->length;
    }
  }
}

/* What comes of ours is ours. */
static void inherit(cr_strays *strays) {
  for (bool again = true; again;) {
    again = false;
    for (size_t i = 0; i < strays->processes; i++) {
      cr_process *process = &strays->process[i];
      if (process->ours) continue;
      const cr_process *parent = find(strays, process->parent);
      if (parent == NULL || !parent->ours) continue;
      process->ours = again = true;
    }
  }
}

size_t cr_strays_look(cr_strays *strays, cr_group_list *groups, const char *value) {
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return 0;
  list_processes(strays, proc, groups, value);
  close(proc);
  inherit(strays);
  size_t before = strays->count;
  for (size_t i = 0; i < strays->processes; i++) {
    const cr_process *process = &strays->process[i];
    if (!process->ours || cr_group_list_has(groups, process->group)) continue;
    if (is_known(strays, process)) continue;
    size_t used = strays->count * sizeof(cr_stray);
    if (!grow((void **)&strays->stray, &strays->capacity, used, sizeof(cr_stray))) break;
    strays->stray[strays->count++] = (cr_stray){process->pid, process->started};
  }
  return strays->count - before;
}

static bool is_alive(int proc, const cr_stray *stray) {
  cr_process now;
  return read_process(proc, stray->pid, &now) && now.started == stray->started;
}

void cr_strays_signal(const cr_strays *strays, size_t first, int signal) {
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return;
  for (size_t i = first; i < strays->count; i++) {
    /* Once we hold it, the number can't become somebody else's unnoticed. */
    int process = (int)syscall(SYS_pidfd_open, strays->stray[i].pid, 0);
    if (process < 0) continue;
    if (is_alive(proc, &strays->stray[i])) syscall(SYS_pidfd_send_signal, process, signal, NULL, 0);
    close(process);
  }
  close(proc);
}

size_t cr_strays_left(cr_strays *strays) {
  if (strays->count == 0) return 0;
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return strays->count;
  for (size_t i = strays->count; i > 0; i--) {
    if (!is_alive(proc, &strays->stray[i - 1]))
      strays->stray[i - 1] = strays->stray[--strays->count];
  }
  close(proc);
  return strays->count;
}
