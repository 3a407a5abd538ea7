#include "request.h"

static void put_begin(bytes *head, const client *client, const char *verb, const char *path) {
  const options *options = client->scenario->options;
  bytes_format(head, "%s %s HTTP/1.1\r\nHost: %s\r\n", verb, path,
               client->scenario->connector.target->authority);
  for (unsigned i = 0; i < options->header_count; i++)
    bytes_format(head, "%s\r\n", options->headers[i]);
}

void request_put_head(bytes *head, const client *client, const char *verb, const char *path,
                      const char *method, const char *name, size_t length) {
  era era = client->scenario->era;
  put_begin(head, client, verb, path);
  if (length != SIZE_MAX)
    bytes_format(head, "Content-Type: application/json\r\nContent-Length: %zu\r\n", length);
  if (era != ERA_NONE) bytes_text(head, "Accept: application/json, text/event-stream\r\n");
  if (method != NULL)
    message_put_headers(head, era, method, name, client->session[0] ? client->session : NULL);
  bytes_text(head, "\r\n");
}

void request_put_stream(bytes *head, const client *client) {
  put_begin(head, client, "GET", client->scenario->connector.target->path);
  bytes_text(head, "Accept: text/event-stream\r\n");
  if (client->session[0]) message_put_headers(head, ERA_LEGACY, "", NULL, client->session);
  bytes_text(head, "\r\n");
}

void request_prepare_call(client *client, const char *path) {
  const template *call = &client->scenario->call;
  bool is_mcp = client->scenario->era != ERA_NONE;
  bytes_clear(&client->call);
  request_put_head(&client->call, client, "POST", path, is_mcp ? "tools/call" : NULL,
                   client->scenario->options->tool, call->text.length);
  client->call_body = client->call.length;
  bytes_append(&client->call, bytes_span(&call->text));
}
