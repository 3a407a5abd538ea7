#include "loop/timer_wheel.h"

#include <stddef.h>

static void link_init(cr_link *head) {
  head->next = head->previous = head;
}

static void link_append(cr_link *head, cr_link *entry) {
  entry->next = head;
  entry->previous = head->previous;
  head->previous->next = entry;
  head->previous = entry;
}

static void link_remove(cr_link *entry) {
  entry->previous->next = entry->next;
  entry->next->previous = entry->previous;
  entry->next = entry->previous = NULL;
}

/* Moves all entries of `from` to the end of `to`. */
static void link_splice(cr_link *to, cr_link *from) {
  if (from->next == from) return;
  from->next->previous = to->previous;
  to->previous->next = from->next;
  from->previous->next = to;
  to->previous = from->previous;
  link_init(from);
}

void cr_wheel_init(cr_wheel *wheel, uint64_t now) {
  wheel->now = now;
  wheel->count = 0;
  link_init(&wheel->due);
  for (int level = 0; level < CR_WHEEL_LEVELS; level++) {
    wheel->occupied[level] = 0;
    for (int slot = 0; slot < CR_WHEEL_SLOTS; slot++)
      link_init(&wheel->slots[level][slot]);
  }
}

static void place(cr_wheel *wheel, cr_timer *timer) {
  uint64_t deadline = timer->deadline;
  if (deadline <= wheel->now) {
    link_append(&wheel->due, &timer->link);
    return;
  }
  int level = (63 - __builtin_clzll(deadline ^ wheel->now)) / CR_WHEEL_BITS;
  int slot = (int)(deadline >> (level * CR_WHEEL_BITS)) & (CR_WHEEL_SLOTS - 1);
  link_append(&wheel->slots[level][slot], &timer->link);
  wheel->occupied[level] |= 1ull << slot;
}

void cr_wheel_start(cr_wheel *wheel, cr_timer *timer, uint64_t deadline) {
  cr_wheel_stop(wheel, timer);
  uint64_t last = (1ull << 56) - 1;
  timer->deadline = deadline < last ? deadline : last;
  wheel->count++;
  place(wheel, timer);
}

void cr_wheel_stop(cr_wheel *wheel, cr_timer *timer) {
  if (!cr_timer_armed(timer)) return;
  cr_link *head = timer->link.next == timer->link.previous ? timer->link.next : NULL;
  link_remove(&timer->link);
  wheel->count--;
  /* The entry was alone on its list: if that list is a slot, its bit goes. */
  uintptr_t first = (uintptr_t)&wheel->slots[0][0];
  uintptr_t offset = (uintptr_t)head - first;
  if (head && offset < sizeof wheel->slots) {
    size_t index = offset / sizeof(cr_link);
    wheel->occupied[index / CR_WHEEL_SLOTS] &= ~(1ull << (index % CR_WHEEL_SLOTS));
  }
}

/* The first slot in use, or -1; `tick` gets the tick at which it begins. */
static int first_slot(const cr_wheel *wheel, int *level, uint64_t *tick) {
  for (*level = 0; *level < CR_WHEEL_LEVELS; (*level)++) {
    if (wheel->occupied[*level] == 0) continue;
    int slot = __builtin_ctzll(wheel->occupied[*level]);
    int shift = *level * CR_WHEEL_BITS;
    uint64_t above = shift + CR_WHEEL_BITS < 64 ? ~0ull << (shift + CR_WHEEL_BITS) : 0;
    *tick = (wheel->now & above) | (uint64_t)slot << shift;
    return slot;
  }
  return -1;
}

uint64_t cr_wheel_next(const cr_wheel *wheel) {
  if (wheel->due.next != &wheel->due) return wheel->now;
  int level;
  uint64_t tick;
  return first_slot(wheel, &level, &tick) < 0 ? UINT64_MAX : tick;
}

uint32_t cr_wheel_advance(cr_wheel *wheel, uint64_t now,
                          void (*fire)(void *context, cr_timer *timer), void *context) {
  uint32_t fired = 0;
  cr_link firing;
  link_init(&firing);
  link_splice(&firing, &wheel->due);
  for (;;) {
    while (firing.next != &firing) {
      /* `link` is the first member. Taken off first, so that `fire` may start it again. */
      cr_timer *timer = (cr_timer *)firing.next;
      link_remove(&timer->link);
      wheel->count--;
      fired++;
      fire(context, timer);
    }
    int level;
    uint64_t tick;
    int slot = first_slot(wheel, &level, &tick);
    if (slot < 0 || tick > now) break;
    wheel->now = tick;
    wheel->occupied[level] &= ~(1ull << slot);
    cr_link entries;
    link_init(&entries);
    link_splice(&entries, &wheel->slots[level][slot]);
    while (entries.next != &entries) {
      cr_timer *timer = (cr_timer *)entries.next;
      link_remove(&timer->link);
      if (timer->deadline <= tick)
        link_append(&firing, &timer->link);
      else
        place(wheel, timer);
    }
  }
  if (now > wheel->now) wheel->now = now;
  return fired;
}
