#include "process/groups.h"

bool cr_group_list_add(cr_group_list *list, int32_t group) {
  for (uint32_t i = 0; i < CR_GROUPS; i++) {
    int32_t nobody = 0;
    if (!atomic_compare_exchange_strong(&list->group[i], &nobody, group)) continue;
    uint32_t used = atomic_load(&list->used);
    while (used <= i && !atomic_compare_exchange_weak(&list->used, &used, i + 1)) {
    }
    return true;
  }
  return false;
}

void cr_group_list_remove(cr_group_list *list, int32_t group) {
  uint32_t used = atomic_load(&list->used);
  for (uint32_t i = 0; i < used; i++) {
    int32_t found = group;
    if (atomic_compare_exchange_strong(&list->group[i], &found, 0)) return;
  }
}

bool cr_group_list_has(cr_group_list *list, int32_t group) {
  uint32_t used = atomic_load(&list->used);
  for (uint32_t i = 0; i < used; i++) {
    if (atomic_load_explicit(&list->group[i], memory_order_relaxed) == group) return group > 1;
  }
  return false;
}
