#define _GNU_SOURCE
#include "creactor/system.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Whole processors of the cgroup's quota (`cpu.max`: quota and period in us, or "max"); 0: none. */
static int quota(void) {
  FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
  if (file == NULL) return 0;
  long allowed = 0;
  long period = 0;
  int fields = fscanf(file, "%ld %ld", &allowed, &period);
  fclose(file);
  if (fields != 2 || allowed <= 0 || period <= 0) return 0;
  return (int)((allowed + period - 1) / period);
}

int cr_system_processors(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  int limit = quota();
  if (limit > 0 && limit < count) count = limit;
  return count > 0 ? count : 1;
}

uint64_t cr_system_raise_descriptors(uint64_t *before) {
  struct rlimit limit;
  *before = 0;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  *before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : *before;
}

/* The number in the first line of a file; 0 when there is none. */
static uint64_t number_in(const char *path) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return 0;
  uint64_t number = 0;
  if (fscanf(file, "%" SCNu64, &number) != 1) number = 0;
  fclose(file);
  return number;
}

/* Our cgroup (version 2) below the root, such as "/system.slice/x.service"; empty at the root. */
static void own_group(char *path, size_t capacity) {
  path[0] = 0;
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (file == NULL) return;
  char line[1024];
  while (fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, "0::/", 4) != 0) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(path, capacity, "%s", line + 3);
  }
  fclose(file);
  if (strcmp(path, "/") == 0) path[0] = 0;
}

uint64_t cr_system_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
  uint64_t least = pages > 0 && bytes > 0 ? (uint64_t)pages * (uint64_t)bytes : 0;
  char group[1024];
  own_group(group, sizeof group);
  /* A limit of any group above ours counts too. */
  for (;;) {
    char path[1152];
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
    uint64_t limit = number_in(path);
    if (limit > 0 && (least == 0 || limit < least)) least = limit;
    char *last = strrchr(group, '/');
    if (last == NULL) return least;
    *last = 0;
  }
}

uint64_t cr_system_resident(void) {
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL) return 0;
  uint64_t pages = 0;
  if (fscanf(file, "%*u %" SCNu64, &pages) != 1) pages = 0;
  fclose(file);
  return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What the allocator counts as free tells nothing: pages that were given back are among it. */
int64_t cr_system_unused(void) {
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL) return 0;
  int64_t resident = 0, shared = 0;
  int found = fscanf(file, "%*u %" SCNd64 " %" SCNd64, &resident, &shared);
  fclose(file);
  if (found != 2) return 0;
  struct mallinfo2 heap = mallinfo2();
  return (resident - shared) * (int64_t)sysconf(_SC_PAGESIZE) -
         (int64_t)(heap.uordblks + heap.hblkhd);
}

void cr_system_trim(void) {
  malloc_trim(0);
}

/* The unused end of a heap is given back when something large is freed into it, down to a
   threshold. It is low only here: messages that come one after the other need not fault their
   pages in again. Larger pieces than `MAPPED` have mappings of their own, which go at once. */
void cr_system_trim_thread(void) {
  enum { MAPPED = 4 << 20, KEPT = 2 * MAPPED, PIECE = 128 << 10 };
  /* These are the whole process's, and two threads that come at once would undo each other. */
  static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&one);
  mallopt(M_MMAP_THRESHOLD, MAPPED);
  mallopt(M_TRIM_THRESHOLD, PIECE);
  void *volatile piece = malloc(PIECE);
  free(piece);
  mallopt(M_TRIM_THRESHOLD, KEPT);
  pthread_mutex_unlock(&one);
}

void cr_system_name_thread(const char *name) {
  char kept[16] = {0};
  strncpy(kept, name, sizeof kept - 1);
  pthread_setname_np(pthread_self(), kept);
}

int cr_signals_open(const int *signals, size_t count) {
  sigset_t set;
  sigemptyset(&set);
  for (size_t index = 0; index < count; index++)
    sigaddset(&set, signals[index]);
  int status = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (status != 0) return -status;
  int descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return descriptor < 0 ? -errno : descriptor;
}

int cr_signals_take(int descriptor) {
  struct signalfd_siginfo information;
  ssize_t size = read(descriptor, &information, sizeof information);
  return size == sizeof information ? (int)information.ssi_signo : 0;
}
