#include "message.h"

#define LEGACY "2025-11-25"
#define MODERN "2026-07-28"

static const char envelope[] =
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"" MODERN "\","
    "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"sluice-load\",\"version\":\"1\"},"
    "\"io.modelcontextprotocol/clientCapabilities\":{}}";

/* Of the size of the envelope, so that bodies of both eras cost the same to carry. */
static const char filler[] =
    "\"_meta\":{\"com.example/filler\":\"so that the body of a legacy call is as large as that of "
    "a "
    "modern one, whose envelope has the revision, the client's name and its capabilities\"}";

void message_free(message *message) {
  bytes_free(&message->body);
}

message message_initialize(uint64_t id) {
  message message = {.method = "initialize", .answered = true};
  bytes_format(&message.body,
               "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"initialize\",\"params\":{"
               "\"protocolVersion\":\"" LEGACY "\",\"capabilities\":{},"
               "\"clientInfo\":{\"name\":\"sluice-load\",\"version\":\"1\"}}}",
               (unsigned long long)id);
  return message;
}

message message_initialized(void) {
  message message = {.method = "notifications/initialized"};
  bytes_text(&message.body, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
  return message;
}

message message_subscribe(uint64_t id, const char *uri) {
  message message = {.method = "resources/subscribe", .name = uri, .answered = true};
  bytes_format(&message.body,
               "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"resources/subscribe\","
               "\"params\":{\"uri\":\"%s\"}}",
               (unsigned long long)id, uri);
  return message;
}

message message_listen(uint64_t id, const char *uri) {
  message message = {.method = "subscriptions/listen"};
  bytes_format(&message.body,
               "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"subscriptions/listen\",\"params\":{"
               "\"notifications\":{\"resourceSubscriptions\":[\"%s\"]},%s}}",
               (unsigned long long)id, uri, envelope);
  return message;
}

void message_call_text(bytes *text, const options *options) {
  const char *arguments =
      options->arguments != NULL ? options->arguments : "{\"text\":\"call {n} {padding}\"}";
  bytes_format(
      text,
      "{\"jsonrpc\":\"2.0\",\"id\":{n},\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
      "\"arguments\":%s,%s}}",
      options->tool, arguments, options->era == ERA_MODERN ? envelope : filler);
}

void message_put_headers(bytes *head, era era, const char *method, const char *name,
                         const char *session) {
  if (era == ERA_MODERN) {
    bytes_text(head, "MCP-Protocol-Version: " MODERN "\r\n");
    bytes_format(head, "Mcp-Method: %s\r\n", method);
    if (name != NULL) bytes_format(head, "Mcp-Name: %s\r\n", name);
  } else if (era == ERA_LEGACY && strcmp(method, "initialize") != 0) {
    bytes_text(head, "MCP-Protocol-Version: " LEGACY "\r\n");
    if (session != NULL) bytes_format(head, "Mcp-Session-Id: %s\r\n", session);
  }
}
