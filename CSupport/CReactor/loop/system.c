#define _GNU_SOURCE
#include "creactor/system.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/xattr.h>
#include <unistd.h>

int cr_system_processors(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
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

bool cr_system_is_marked(const char *path, const char *attribute) {
  char value = 0;
  return getxattr(path, attribute, &value, sizeof value) == 1 && value == '1';
}

uint64_t cr_system_machine_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
  return pages > 0 && bytes > 0 ? (uint64_t)pages * (uint64_t)bytes : 0;
}

static uint64_t soft_limit(int resource) {
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

cr_memory_sizes cr_system_memory_limits(void) {
  return (cr_memory_sizes){
      .space = soft_limit(RLIMIT_AS), .resident = UINT64_MAX, .data = soft_limit(RLIMIT_DATA)};
}

cr_memory_sizes cr_system_memory_use(void) {
  cr_memory_sizes sizes = {0};
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL) return sizes;
  /* Size, resident, shared, text, libraries, data; all in pages. */
  uint64_t space, resident, data;
  if (fscanf(file, "%" SCNu64 " %" SCNu64 " %*u %*u %*u %" SCNu64, &space, &resident, &data) == 3) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    sizes = (cr_memory_sizes){space * page, resident * page, data * page};
  }
  fclose(file);
  return sizes;
}

ptrdiff_t cr_system_read(const char *path, char *out, size_t capacity) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return -1;
  size_t length = fread(out, 1, capacity, file);
  bool whole = feof(file) != 0;
  fclose(file);
  return whole ? (ptrdiff_t)length : -1;
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
