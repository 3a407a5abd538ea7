#ifndef LOAD_REQUEST_H
#define LOAD_REQUEST_H

#include "client.h"

/* The head of a request of a client. `length` SIZE_MAX: it has no body. */
void request_put_head(bytes *head, const client *client, const char *verb, const char *path,
                      const char *method, const char *name, size_t length);

/* A GET for an event stream. */
void request_put_stream(bytes *head, const client *client);

/* The head of a call of `client`, and its body. */
void request_prepare_call(client *client, const char *path);

#endif
