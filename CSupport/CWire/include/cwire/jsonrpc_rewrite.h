#ifndef CWIRE_JSONRPC_REWRITE_H
#define CWIRE_JSONRPC_REWRITE_H

#include "cwire/json_lexer.h"
#include "cwire/jsonrpc.h"

/* Rewrites ONE response object that arrives in pieces, for results of many megabytes: bytes go
 * through as they come, and what is held back is bounded by this struct. The output is the same
 * however input and output are cut. It owns nothing; input and output belong to the caller; nothing
 * calls back. One thread at a time. */

typedef struct cwire_jsonrpc_rewrite_options {
  cwire_span
      id; /* replaces the top-level id's token, or is added if there is none; base NULL keeps it */
  uint32_t remove_result; /* direct members of result to drop: 1u << CWIRE_MCP_RESULT_… */
  uint32_t remove_meta;   /* direct members of result._meta to drop: 1u << CWIRE_MCP_META_… */
  cwire_span
      insert_result; /* members put first into result, with commas between them, none around them */
  cwire_span insert_meta; /* the same for result._meta, which is added at the end of result if it
                             has none */
  bool flatten;           /* CR and LF outside strings become spaces */
  unsigned max_depth;
} cwire_jsonrpc_rewrite_options;

/* Longest raw key that can be recognised: all of the longest name written as \u escapes. */
#define CWIRE_JSONRPC_REWRITE_HOLD 256u

typedef struct cwire_jsonrpc_rewrite {
  cwire_jsonrpc_rewrite_options options;
  cwire_jsonrpc_kind
      kind; /* INVALID while unknown; RESULT or ERROR once that key came before any method key;
               REQUEST once a method key came (such a message is refused) */
  cwire_jsonrpc_reason reason; /* after an error */
  uint64_t consumed;           /* bytes of input taken so far */
  cwire_json_lexer lexer;
  uint32_t top_found;
  uint32_t result_found;
  uint32_t meta_found;
  uint8_t place;
  uint8_t dropping;
  uint8_t copying;
  uint8_t finished;
  uint8_t commas;
  uint8_t escaped;
  uint8_t overflow;
  uint8_t queued;
  cwire_span queue[6];
  size_t held;
  uint8_t hold[CWIRE_JSONRPC_REWRITE_HOLD];
} cwire_jsonrpc_rewrite;

/* The options' spans must outlive the rewriter. */
void cwire_jsonrpc_rewrite_init(cwire_jsonrpc_rewrite *rewrite,
                                const cwire_jsonrpc_rewrite_options *options);

/* Takes from the front of `*input` and writes to `out` what fits. 0: the object is complete and
 * wholly written, and
 * `*input` is what follows it (whitespace is taken; further calls refuse anything else).
 * CWIRE_MORE: the input is used up or the output is full. Negative, a cwire_jsonrpc_status:
 * refused, see `reason`; what was written is to be thrown away. */
int cwire_jsonrpc_rewrite_feed(cwire_jsonrpc_rewrite *rewrite, cwire_span *input,
                               cwire_writer *out);

#endif
