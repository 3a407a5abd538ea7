#include "cwire/splice.h"

#include "json_reader.h"

static void add(cwire_edits *edits, cwire_span message, const uint8_t *begin, const uint8_t *end,
                cwire_span replacement) {
  if (begin < message.base || end > message.base + message.length ||
      edits->count == edits->capacity) {
    edits->failed = true;
    return;
  }
  edits->items[edits->count++] = (cwire_edit){.offset = (size_t)(begin - message.base),
                                              .length = (size_t)(end - begin),
                                              .replacement = replacement};
}

void cwire_edits_replace(cwire_edits *edits, cwire_span message, cwire_span part,
                         cwire_span replacement) {
  add(edits, message, part.base, part.base + part.length, replacement);
}

/* The removed member that begins first from `from` on; NULL when there is none. */
static const cwire_json_member *next_removed(const cwire_json_member *removed, size_t count,
                                             const uint8_t *from) {
  const cwire_json_member *first = NULL;
  for (size_t index = 0; index < count; index++) {
    const uint8_t *begin = removed[index].extent.base;
    if (begin == NULL || begin < from) continue;
    if (first == NULL || begin < first->extent.base) first = &removed[index];
  }
  return first;
}

void cwire_edits_object(cwire_edits *edits, cwire_span message, cwire_span object,
                        const cwire_json_member *removed, size_t count, cwire_span inserted) {
  const uint8_t *end = object.base + object.length;
  const uint8_t *open = cwire_json_skip_space(object.base, end);
  if (open == end || *open != '{') {
    edits->failed = true;
    return;
  }
  for (size_t index = 0; index < count; index++) {
    cwire_span extent = removed[index].extent;
    if (extent.base != NULL && (extent.base <= open || extent.base + extent.length > end)) {
      edits->failed = true;
      return;
    }
  }
  const uint8_t *first = cwire_json_skip_space(open + 1, end);
  bool any_left = first < end && *first != '}';
  const cwire_json_member *member = next_removed(removed, count, open);
  while (member != NULL) {
    /* A run of neighbours goes together with ONE of the commas at its ends. */
    const uint8_t *run_begin = member->extent.base;
    const uint8_t *run_end = run_begin + member->extent.length;
    const uint8_t *after;
    for (;;) {
      after = cwire_json_skip_space(run_end, end);
      member = next_removed(removed, count, run_end);
      if (after == end || *after != ',') break;
      const uint8_t *following = cwire_json_skip_space(after + 1, end);
      if (member == NULL || member->extent.base != following) {
        after = following;
        break;
      }
      run_end = following + member->extent.length;
    }
    if (after < end && *after != '}') {
      add(edits, message, run_begin, after, cwire_span_make(NULL, 0));
      continue;
    }
    /* The run ends the object, so the comma before it has to go, unless it is the whole object. */
    const uint8_t *before = run_begin - 1;
    while (before > open && cwire_json_is_space(*before))
      before--;
    if (before == open) {
      any_left = false;
      before = run_begin;
    }
    add(edits, message, before, run_end, cwire_span_make(NULL, 0));
  }
  if (inserted.length == 0) return;
  add(edits, message, open + 1, open + 1, inserted);
  if (any_left) add(edits, message, open + 1, open + 1, cwire_span_text(","));
}

static bool comes_before(const cwire_edit *a, const cwire_edit *b) {
  if (a->offset != b->offset) return a->offset < b->offset;
  return a->length == 0 && b->length > 0;
}

static void sort(cwire_edits *edits) {
  for (size_t index = 1; index < edits->count; index++) {
    cwire_edit edit = edits->items[index];
    size_t place = index;
    for (; place > 0 && comes_before(&edit, &edits->items[place - 1]); place--) {
      edits->items[place] = edits->items[place - 1];
    }
    edits->items[place] = edit;
  }
}

static bool is_deletion(const cwire_edit *edit) {
  return edit->length > 0 && edit->replacement.length == 0;
}

/* Joins `edit` to `last`, which begins no later and ends after `edit` begins. False when they
 * contradict each other. */
static bool merge(cwire_edit *last, const cwire_edit *edit) {
  size_t last_end = last->offset + last->length;
  size_t end = edit->offset + edit->length;
  if (is_deletion(last)) {
    if (end <= last_end) return true;
    if (!is_deletion(edit)) return false;
    last->length = end - last->offset;
    return true;
  }
  if (!is_deletion(edit) || edit->offset != last->offset || end < last_end) return false;
  *last = *edit;
  return true;
}

size_t cwire_splice_prepare(cwire_edits *edits, cwire_span message) {
  if (edits->failed) return SIZE_MAX;
  sort(edits);
  size_t kept = 0;
  for (size_t index = 0; index < edits->count; index++) {
    const cwire_edit edit = edits->items[index];
    if (edit.offset > message.length || edit.length > message.length - edit.offset) return SIZE_MAX;
    cwire_edit *last = kept > 0 ? &edits->items[kept - 1] : NULL;
    if (last == NULL || edit.offset >= last->offset + last->length) {
      edits->items[kept++] = edit;
    } else if (!merge(last, &edit)) {
      edits->failed = true;
      return SIZE_MAX;
    }
  }
  edits->count = kept;
  size_t length = message.length;
  for (size_t index = 0; index < kept; index++) {
    length += edits->items[index].replacement.length - edits->items[index].length;
  }
  return length;
}

static void put(cwire_writer *writer, cwire_span span, bool flatten) {
  uint8_t *out = span.length == 0 ? NULL : cwire_writer_reserve(writer, span.length);
  if (out == NULL) return;
  if (!flatten) {
    memcpy(out, span.base, span.length);
    return;
  }
  for (size_t index = 0; index < span.length; index++) {
    uint8_t byte = span.base[index];
    out[index] = byte == '\n' || byte == '\r' ? ' ' : byte;
  }
}

void cwire_splice_put(cwire_writer *writer, cwire_span message, const cwire_edits *edits,
                      bool flatten) {
  size_t from = 0;
  for (size_t index = 0; index < edits->count; index++) {
    const cwire_edit *edit = &edits->items[index];
    put(writer, cwire_span_make(message.base + from, edit->offset - from), flatten);
    put(writer, edit->replacement, flatten);
    from = edit->offset + edit->length;
  }
  put(writer, cwire_span_drop(message, from), flatten);
}
