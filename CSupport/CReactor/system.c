#define _GNU_SOURCE
#include "creactor/system.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

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

void cr_system_name_thread(const char *name) {
  char kept[16] = {0};
  strncpy(kept, name, sizeof kept - 1);
  pthread_setname_np(pthread_self(), kept);
}
