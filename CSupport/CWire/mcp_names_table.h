#ifndef CWIRE_MCP_NAMES_TABLE_H
#define CWIRE_MCP_NAMES_TABLE_H

#include "cwire/mcp_names.h"
#include "same_bytes.h"

/* The names of one kind of object, sorted by length. from[n] is the index of the first name of n
 * bytes or more, so that a lookup compares with the few names of its own length. */
typedef struct cwire_mcp_name {
  const char *text;
  uint8_t code;
} cwire_mcp_name;

typedef struct cwire_mcp_table {
  const cwire_mcp_name *names;
  const uint8_t *from;
  size_t longest;
} cwire_mcp_table;

extern const cwire_mcp_table cwire_mcp_top_table;
extern const cwire_mcp_table cwire_mcp_param_table;
extern const cwire_mcp_table cwire_mcp_meta_table;
extern const cwire_mcp_table cwire_mcp_result_table;
extern const cwire_mcp_table cwire_mcp_error_table;

/* The code of an unescaped name, or -1. In line: the scan of a message asks for every key. */
static inline int cwire_mcp_find(const cwire_mcp_table *table, cwire_span name) {
  if (name.length > table->longest) return -1;
  const uint8_t *from = table->from + name.length;
  for (unsigned index = from[0]; index < from[1]; index++) {
    /* Most wrong candidates differ in their first byte; a match differs in none. */
    const uint8_t *text = (const uint8_t *)table->names[index].text;
    if (text[0] == name.base[0] && cwire_same_bytes(text, name.base, name.length)) {
      return table->names[index].code;
    }
  }
  return -1;
}

#endif
