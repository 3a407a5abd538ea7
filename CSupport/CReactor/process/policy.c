#include <sys/ioctl.h>

#include "process/child.h"
#include "process/phase.h"

/* What policy does with a child that was started. */

static cr_child *find(cr_loop *loop, cr_id id) {
  cr_connection *connection = cr_connection_find(loop, id);
  return connection == NULL || connection->kind != CR_KIND_CHILD ? NULL : cr_child_of(connection);
}

cr_write cr_child_write(cr_loop *loop, cr_id id, const cwire_span *pieces, size_t count) {
  cr_child *child = find(loop, id);
  if (child == NULL || child->phase != CR_CHILD_RUNNING) return CR_WRITE_STALE;
  enum { BATCH = 16 };
  cr_write result = CR_WRITE_OK;
  while (count > 0) {
    cr_piece batch[BATCH];
    size_t taken = count < BATCH ? count : BATCH;
    for (size_t i = 0; i < taken; i++)
      batch[i] = cr_piece_span(pieces[i]);
    result = cr_connection_write(child->connection, batch, taken);
    if (result == CR_WRITE_STALE) break;
    pieces += taken;
    count -= taken;
  }
  return result;
}

size_t cr_child_unread(cr_loop *loop, cr_id id) {
  cr_child *child = find(loop, id);
  if (child == NULL || child->phase != CR_CHILD_RUNNING) return 0;
  uv_os_fd_t input;
  int unread = 0;
  if (uv_fileno((const uv_handle_t *)&child->input, &input) != 0) return 0;
  /* Linux says of either end of a pipe what lies in it. */
  if (ioctl(input, FIONREAD, &unread) != 0 || unread < 0) return 0;
  return (size_t)unread;
}

bool cr_child_chatters(cr_loop *loop, cr_id id, size_t bytes) {
  cr_child *child = find(loop, id);
  if (child == NULL) return true;
  uint64_t now = cr_loop_now(loop);
  bool allowed = cr_chatter_allows(&child->chatter, bytes, now);
  if (cr_chatter_came(&child->chatter, CR_CHATTER_OUTPUT, bytes, 1, now))
    cr_connection_hold(child->connection, true);
  cr_child_look_later(child);
  return allowed;
}

void cr_child_close(cr_loop *loop, cr_id id) {
  cr_child *child = find(loop, id);
  if (child != NULL) cr_child_ask(child);
}

void cr_child_kill(cr_loop *loop, cr_id id) {
  cr_child *child = find(loop, id);
  if (child != NULL) cr_child_kill_now(child);
}

int64_t cr_child_pid(cr_loop *loop, cr_id id) {
  cr_child *child = find(loop, id);
  return child == NULL || child->pid <= 0 ? -1 : child->pid;
}
