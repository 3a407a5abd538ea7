#include "http/exchange.h"

#include <stdlib.h>
#include <string.h>

cr_http_exchange *cr_http_exchange_of(cr_connection *connection) {
  cr_http_exchange *exchange = connection->server.exchange;
  if (exchange) return exchange;
  cr_loop *loop = connection->loop;
  exchange = loop->free_exchanges;
  if (exchange)
    loop->free_exchanges = exchange->next_free;
  else
    exchange = malloc(sizeof *exchange);
  if (!exchange) return NULL;
  memset(exchange, 0, sizeof *exchange);
  connection->server.exchange = exchange;
  return exchange;
}

void cr_http_exchange_free(cr_connection *connection) {
  cr_http_exchange *exchange = connection->server.exchange;
  cr_loop *loop = connection->loop;
  cr_buffer_give(&loop->buffers, exchange->head);
  cr_buffer_give(&loop->buffers, exchange->content);
  cr_frame_release(exchange->heartbeat);
  connection->server.exchange = NULL;
  exchange->next_free = loop->free_exchanges;
  loop->free_exchanges = exchange;
}

void cr_http_exchanges_clear(cr_loop *loop) {
  while (loop->free_exchanges) {
    cr_http_exchange *exchange = loop->free_exchanges;
    loop->free_exchanges = exchange->next_free;
    free(exchange);
  }
}
