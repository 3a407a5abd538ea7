#ifndef LOAD_EXCHANGE_H
#define LOAD_EXCHANGE_H

#include <cwire/http1.h>
#include <cwire/http1_body.h>

#include "fault.h"

/* The answers to HTTP/1.1 requests on one connection, one after the other. All zero: between two of
   them. */
typedef struct exchange {
  cwire_http1_body body;
  size_t seen; /* bytes of a head that is not whole */
  bool in_body;
  bool keep_alive;
} exchange;

typedef enum exchange_step {
  EXCHANGE_MORE, /* the input is used up, but for a head that is not whole */
  EXCHANGE_HEAD, /* exchange_head() is the head */
  EXCHANGE_BODY, /* the piece */
  EXCHANGE_DONE, /* the piece, and the answer is complete; keep_alive says whether another may come
                  */
  EXCHANGE_FAILED,
} exchange_step;

/* Takes from the front of `*input` up to the next thing to tell. */
exchange_step exchange_next(exchange *exchange, cwire_span *input, cwire_span *piece);

/* The head after EXCHANGE_HEAD, until the next call. One for all exchanges. */
const cwire_http1_head *exchange_head(void);

/* Whether the value of Content-Type begins with that type. */
bool exchange_has_type(const cwire_http1_head *head, const char *type);

#endif
