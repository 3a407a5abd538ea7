#ifndef CWIRE_JSONRPC_RULES_H
#define CWIRE_JSONRPC_RULES_H

#include "cwire/jsonrpc.h"
#include "mcp_names_table.h"

/* What the scan of a whole message and the rewriter of a message in pieces have in common. */

/* The objects whose members are recognised. */
typedef enum cwire_jsonrpc_level {
  CWIRE_JSONRPC_LEVEL_TOP,
  CWIRE_JSONRPC_LEVEL_PARAMS,
  CWIRE_JSONRPC_LEVEL_RESULT,
  CWIRE_JSONRPC_LEVEL_ERROR,
  CWIRE_JSONRPC_LEVEL_META,
} cwire_jsonrpc_level;

/* The names of the members that are recognised, by level. */
extern const cwire_mcp_table *const cwire_jsonrpc_tables[];

/* The code of a raw key (no quotes) that has escapes; -1 when it is unknown. */
int cwire_jsonrpc_escaped_key_code(cwire_jsonrpc_level level, cwire_span key);

/* The code of a raw key (no quotes) in an object of this level, after unescaping; -1 when it is
 * unknown. */
static inline int cwire_jsonrpc_key_code(cwire_jsonrpc_level level, cwire_span key, bool escaped) {
  return escaped ? cwire_jsonrpc_escaped_key_code(level, key)
                 : cwire_mcp_find(cwire_jsonrpc_tables[level], key);
}

/* Whether a raw string token is "2.0". */
bool cwire_jsonrpc_is_version(cwire_span value);

cwire_jsonrpc_reason cwire_jsonrpc_reason_of(cwire_json_status status);

/* The code that a refusal for this reason is answered with. */
cwire_jsonrpc_status cwire_jsonrpc_status_of(cwire_jsonrpc_reason reason);

#endif
