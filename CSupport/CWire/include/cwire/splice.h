#ifndef CWIRE_SPLICE_H
#define CWIRE_SPLICE_H

#include "cwire/json.h"

/* A message written again with a few pieces replaced, every other byte as it was. Nothing
 * allocates. Any thread. */

/* `length` bytes at `offset` of a message become `replacement`. Length 0 inserts; an empty
 * replacement deletes. */
typedef struct cwire_edit {
  size_t offset;
  size_t length;
  cwire_span replacement;
} cwire_edit;

/* A caller's array of edits that fills up. The array must outlive it; so must the replacements,
 * until the splice. */
typedef struct cwire_edits {
  cwire_edit *items;
  size_t count;
  size_t capacity;
  bool failed; /* it ran full, or an edit does not fit the message, its object or another edit */
} cwire_edits;

static inline cwire_edits cwire_edits_make(cwire_edit *items, size_t capacity) {
  return (cwire_edits){.items = items, .capacity = capacity};
}

/* Replaces the bytes of `part`, a span within `message`. */
void cwire_edits_replace(cwire_edits *edits, cwire_span message, cwire_span part,
                         cwire_span replacement);

/* Edits one object of `message`: takes out `removed` (its members, in any order; those with base
 * NULL are skipped) and puts `inserted` (members with commas between them, none around them; may be
 * empty) right after its opening brace. Commas come out right whatever the set is: all members, the
 * first, the last, neighbours. Which comma a removal takes depends on the whole set (with a single
 * extent per member no choice is right for every set), so all removals of one object go into ONE
 * call. */
void cwire_edits_object(cwire_edits *edits, cwire_span message, cwire_span object,
                        const cwire_json_member *removed, size_t count, cwire_span inserted);

/* Sorts the edits by offset (insertions at one offset keep their order and come before what is
 * replaced there), merges overlapping deletions, and drops edits that lie within a
 * deletion. Returns the exact length of the output, or SIZE_MAX when the edits failed, lie outside
 * the message, or a replacement overlaps another edit in part. */
size_t cwire_splice_prepare(cwire_edits *edits, cwire_span message);

/* Writes the message with prepared edits. With `flatten` every CR and LF becomes a space: in a
 * valid JSON message neither occurs within strings, so this changes whitespace alone, and keeps the
 * length. */
void cwire_splice_put(cwire_writer *writer, cwire_span message, const cwire_edits *edits,
                      bool flatten);

#endif
