#include "creactor/attempts.h"

#include <uv.h>

/* The first address from `from` on whose family is `family` or, if that is not what is looked for,
 * is not; `count` if there is none. */
static uint32_t find(const int *families, uint32_t count, uint32_t taken, int family, bool same) {
  for (uint32_t index = 0; index < count; index++) {
    if ((taken & 1u << index) == 0 && (families[index] == family) == same) return index;
  }
  return count;
}

void cr_attempts_plan(cr_attempts *attempts, const int *families, uint32_t count,
                      int32_t answered) {
  *attempts = (cr_attempts){.status = UV_EADDRNOTAVAIL};
  if (count > CR_ATTEMPT_ADDRESSES) count = CR_ATTEMPT_ADDRESSES;
  uint32_t next = answered >= 0 && (uint32_t)answered < count ? (uint32_t)answered : 0;
  for (uint32_t taken = 0; attempts->count < count;) {
    attempts->order[attempts->count++] = (uint8_t)next;
    taken |= 1u << next;
    int family = families[next];
    next = find(families, count, taken, family, false);
    if (next == count) next = find(families, count, taken, family, true);
  }
}

cr_attempt_action cr_attempts_next(cr_attempts *attempts, uint64_t now) {
  if (attempts->begun < attempts->count && (attempts->open == 0 || now >= attempts->next_at)) {
    attempts->next_at = now + CR_ATTEMPT_DELAY;
    attempts->open++;
    return (cr_attempt_action){.step = CR_ATTEMPT_BEGIN,
                               .address = attempts->order[attempts->begun++]};
  }
  if (attempts->open == 0) {
    return (cr_attempt_action){.step = CR_ATTEMPT_GIVE_UP, .status = attempts->status};
  }
  bool more = attempts->begun < attempts->count;
  return (cr_attempt_action){.step = CR_ATTEMPT_WAIT,
                             .until = more ? attempts->next_at : UINT64_MAX};
}

/* The attempt said nothing about the peer, only that this machine has no way there. */
static bool is_no_way(int32_t status) {
  return status == UV_ENETUNREACH || status == UV_EHOSTUNREACH || status == UV_EADDRNOTAVAIL ||
         status == UV_EAFNOSUPPORT;
}

void cr_attempts_failed(cr_attempts *attempts, uint32_t address, int32_t status) {
  attempts->open--;
  /* Only the latest has somebody waiting for its delay. */
  if (attempts->order[attempts->begun - 1] == address) attempts->next_at = 0;
  /* What the first peer said tells more than that there is no way to another one. */
  if (is_no_way(attempts->status)) attempts->status = status;
}
