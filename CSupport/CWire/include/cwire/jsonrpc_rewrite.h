#ifndef CWIRE_JSONRPC_REWRITE_H
#define CWIRE_JSONRPC_REWRITE_H

#include "cwire/json_lexer.h"
#include "cwire/jsonrpc.h"
#include "cwire/status.h"

/* Rewrites ONE response object that arrives in pieces, for results of many megabytes: bytes go
 * through as they come, and what is held back is bounded by this struct. The output is the same
 * however input and output are cut. Whitespace between the members of result and of its _meta is
 * dropped. It owns nothing; input and output belong to the caller; nothing calls back. One thread
 * at a time. */

/* Values of resultType. */
enum { CWIRE_JSONRPC_COMPLETE = 1u, CWIRE_JSONRPC_INPUT_REQUIRED = 2u };

typedef struct cwire_jsonrpc_rewrite_options {
  /* Replaces the token of the top-level id, or is added if there is none; base NULL keeps it. */
  cwire_span id;
  uint32_t remove_result; /* direct members of result to drop: 1u << CWIRE_MCP_RESULT_… */
  uint32_t remove_meta;   /* direct members of result._meta to drop: 1u << CWIRE_MCP_META_… */
  /* Members put first into result: commas between them, none around them. */
  cwire_span insert_result;
  /* The same for result._meta, which is added at the end of result if it has none. */
  cwire_span insert_meta;
  uint8_t result_types; /* what resultType may say if it is there; 0: anything */
  bool flatten;         /* CR and LF outside strings become spaces */
  unsigned max_depth;
} cwire_jsonrpc_rewrite_options;

/* Longest raw key, quotes included, that is recognised: more than every name of the protocol takes
 * when all of it is written as \u escapes. */
#define CWIRE_JSONRPC_REWRITE_HOLD 280u

typedef struct cwire_jsonrpc_rewrite {
  cwire_jsonrpc_rewrite_options options;
  cwire_jsonrpc_kind kind;     /* INVALID while unknown; RESULT or ERROR once that key came; REQUEST
                                  once a method or params key came before, and then it is refused */
  cwire_jsonrpc_reason reason; /* after a refusal */
  cwire_jsonrpc_status status; /* the refusal, which every further call repeats */
  uint64_t consumed;           /* bytes of input taken so far */
  cwire_json_lexer lexer;
  uint32_t top_found; /* recognised members so far: of the message, of result or error, of _meta */
  uint32_t body_found;
  uint32_t meta_found;
  int8_t top_code; /* of the member being read at each level, or -1 */
  int8_t body_code;
  bool dropping;     /* the member being read is left out */
  bool key_next;     /* a key or a closing brace comes next, or a key is being read */
  bool key_too_long; /* it does not fit the hold, and what fitted has been written */
  bool finished;
  bool has_meta;     /* the output has the result's own _meta */
  bool body_written; /* result, or its _meta, has a member in the output */
  bool meta_written;
  bool scalar_begun;
  bool scalar_integer; /* of the scalar being read: digits and sign alone so far */
  bool scalar_too_long;
  uint8_t scalar_first;
  cwire_jsonrpc_id_kind id_kind;
  uint8_t queued;
  cwire_span queue[6]; /* to be written before anything else */
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
