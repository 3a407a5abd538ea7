#include "mcp_names_table.h"

/* The tests look every name up. */
static const cwire_mcp_name top_names[] = {
    {"id", CWIRE_MCP_TOP_ID},         {"error", CWIRE_MCP_TOP_ERROR},
    {"method", CWIRE_MCP_TOP_METHOD}, {"params", CWIRE_MCP_TOP_PARAMS},
    {"result", CWIRE_MCP_TOP_RESULT}, {"jsonrpc", CWIRE_MCP_TOP_JSONRPC},
};
static const uint8_t top_from[] = {0, 0, 0, 1, 1, 1, 2, 5, 6};
const cwire_mcp_table cwire_mcp_top_table = {top_names, top_from, sizeof top_from - 2};

static const cwire_mcp_name param_names[] = {
    {"uri", CWIRE_MCP_PARAM_URI},
    {"ref", CWIRE_MCP_PARAM_REF},
    {"url", CWIRE_MCP_PARAM_URL},
    {"name", CWIRE_MCP_PARAM_NAME},
    {"data", CWIRE_MCP_PARAM_DATA},
    {"task", CWIRE_MCP_PARAM_TASK},
    {"mode", CWIRE_MCP_PARAM_MODE},
    {"total", CWIRE_MCP_PARAM_TOTAL},
    {"level", CWIRE_MCP_PARAM_LEVEL},
    {"_meta", CWIRE_MCP_PARAM_META},
    {"cursor", CWIRE_MCP_PARAM_CURSOR},
    {"logger", CWIRE_MCP_PARAM_LOGGER},
    {"taskId", CWIRE_MCP_PARAM_TASK_ID},
    {"status", CWIRE_MCP_PARAM_STATUS},
    {"reason", CWIRE_MCP_PARAM_REASON},
    {"message", CWIRE_MCP_PARAM_MESSAGE},
    {"context", CWIRE_MCP_PARAM_CONTEXT},
    {"progress", CWIRE_MCP_PARAM_PROGRESS},
    {"argument", CWIRE_MCP_PARAM_ARGUMENT},
    {"requestId", CWIRE_MCP_PARAM_REQUEST_ID},
    {"arguments", CWIRE_MCP_PARAM_ARGUMENTS},
    {"clientInfo", CWIRE_MCP_PARAM_CLIENT_INFO},
    {"capabilities", CWIRE_MCP_PARAM_CAPABILITIES},
    {"requestState", CWIRE_MCP_PARAM_REQUEST_STATE},
    {"progressToken", CWIRE_MCP_PARAM_PROGRESS_TOKEN},
    {"notifications", CWIRE_MCP_PARAM_NOTIFICATIONS},
    {"elicitationId", CWIRE_MCP_PARAM_ELICITATION_ID},
    {"inputResponses", CWIRE_MCP_PARAM_INPUT_RESPONSES},
    {"protocolVersion", CWIRE_MCP_PARAM_PROTOCOL_VERSION},
};
static const uint8_t param_from[] = {0, 0, 0, 0, 3, 7, 10, 15, 17, 19, 21, 22, 22, 24, 27, 28, 29};
const cwire_mcp_table cwire_mcp_param_table = {param_names, param_from, sizeof param_from - 2};

static const cwire_mcp_name meta_names[] = {
    {"baggage", CWIRE_MCP_META_BAGGAGE},
    {"tracestate", CWIRE_MCP_META_TRACESTATE},
    {"traceparent", CWIRE_MCP_META_TRACEPARENT},
    {"progressToken", CWIRE_MCP_META_PROGRESS_TOKEN},
    {"io.modelcontextprotocol/logLevel", CWIRE_MCP_META_LOG_LEVEL},
    {"io.modelcontextprotocol/clientInfo", CWIRE_MCP_META_CLIENT_INFO},
    {"io.modelcontextprotocol/serverInfo", CWIRE_MCP_META_SERVER_INFO},
    {"io.modelcontextprotocol/related-task", CWIRE_MCP_META_RELATED_TASK},
    {"io.modelcontextprotocol/subscriptionId", CWIRE_MCP_META_SUBSCRIPTION_ID},
    {"io.modelcontextprotocol/protocolVersion", CWIRE_MCP_META_PROTOCOL_VERSION},
    {"io.modelcontextprotocol/clientCapabilities", CWIRE_MCP_META_CLIENT_CAPABILITIES},
};
static const uint8_t meta_from[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1,  2,  3,  3, 4,
                                    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,  4,  4,  4, 4,
                                    4, 4, 4, 5, 5, 7, 7, 8, 8, 9, 10, 10, 10, 11};
const cwire_mcp_table cwire_mcp_meta_table = {meta_names, meta_from, sizeof meta_from - 2};

static const cwire_mcp_name result_names[] = {
    {"task", CWIRE_MCP_RESULT_TASK},
    {"ttlMs", CWIRE_MCP_RESULT_TTL_MS},
    {"tools", CWIRE_MCP_RESULT_TOOLS},
    {"tasks", CWIRE_MCP_RESULT_TASKS},
    {"roots", CWIRE_MCP_RESULT_ROOTS},
    {"_meta", CWIRE_MCP_RESULT_META},
    {"taskId", CWIRE_MCP_RESULT_TASK_ID},
    {"status", CWIRE_MCP_RESULT_STATUS},
    {"action", CWIRE_MCP_RESULT_ACTION},
    {"prompts", CWIRE_MCP_RESULT_PROMPTS},
    {"content", CWIRE_MCP_RESULT_CONTENT},
    {"isError", CWIRE_MCP_RESULT_IS_ERROR},
    {"contents", CWIRE_MCP_RESULT_CONTENTS},
    {"messages", CWIRE_MCP_RESULT_MESSAGES},
    {"resources", CWIRE_MCP_RESULT_RESOURCES},
    {"resultType", CWIRE_MCP_RESULT_RESULT_TYPE},
    {"cacheScope", CWIRE_MCP_RESULT_CACHE_SCOPE},
    {"nextCursor", CWIRE_MCP_RESULT_NEXT_CURSOR},
    {"completion", CWIRE_MCP_RESULT_COMPLETION},
    {"serverInfo", CWIRE_MCP_RESULT_SERVER_INFO},
    {"capabilities", CWIRE_MCP_RESULT_CAPABILITIES},
    {"instructions", CWIRE_MCP_RESULT_INSTRUCTIONS},
    {"requestState", CWIRE_MCP_RESULT_REQUEST_STATE},
    {"inputRequests", CWIRE_MCP_RESULT_INPUT_REQUESTS},
    {"protocolVersion", CWIRE_MCP_RESULT_PROTOCOL_VERSION},
    {"resourceTemplates", CWIRE_MCP_RESULT_RESOURCE_TEMPLATES},
    {"structuredContent", CWIRE_MCP_RESULT_STRUCTURED_CONTENT},
    {"supportedVersions", CWIRE_MCP_RESULT_SUPPORTED_VERSIONS},
};
static const uint8_t result_from[] = {0,  0,  0,  0,  0,  1,  6,  9,  12, 14,
                                      15, 20, 20, 23, 24, 24, 25, 25, 28};
const cwire_mcp_table cwire_mcp_result_table = {result_names, result_from, sizeof result_from - 2};

static const cwire_mcp_name error_names[] = {
    {"code", CWIRE_MCP_ERROR_CODE},
    {"data", CWIRE_MCP_ERROR_DATA},
    {"message", CWIRE_MCP_ERROR_MESSAGE},
};
static const uint8_t error_from[] = {0, 0, 0, 0, 0, 2, 2, 2, 3};
const cwire_mcp_table cwire_mcp_error_table = {error_names, error_from, sizeof error_from - 2};

static const cwire_mcp_name method_names[] = {
    {"ping", CWIRE_MCP_PING},
    {"tasks/get", CWIRE_MCP_TASKS_GET},
    {"initialize", CWIRE_MCP_INITIALIZE},
    {"tools/list", CWIRE_MCP_TOOLS_LIST},
    {"tools/call", CWIRE_MCP_TOOLS_CALL},
    {"roots/list", CWIRE_MCP_ROOTS_LIST},
    {"tasks/list", CWIRE_MCP_TASKS_LIST},
    {"prompts/get", CWIRE_MCP_PROMPTS_GET},
    {"prompts/list", CWIRE_MCP_PROMPTS_LIST},
    {"tasks/cancel", CWIRE_MCP_TASKS_CANCEL},
    {"tasks/result", CWIRE_MCP_TASKS_RESULT},
    {"tasks/update", CWIRE_MCP_TASKS_UPDATE},
    {"resources/list", CWIRE_MCP_RESOURCES_LIST},
    {"resources/read", CWIRE_MCP_RESOURCES_READ},
    {"server/discover", CWIRE_MCP_SERVER_DISCOVER},
    {"logging/setLevel", CWIRE_MCP_LOGGING_SET_LEVEL},
    {"elicitation/create", CWIRE_MCP_ELICITATION_CREATE},
    {"resources/subscribe", CWIRE_MCP_RESOURCES_SUBSCRIBE},
    {"completion/complete", CWIRE_MCP_COMPLETION_COMPLETE},
    {"notifications/tasks", CWIRE_MCP_NOTIFY_TASKS},
    {"subscriptions/listen", CWIRE_MCP_SUBSCRIPTIONS_LISTEN},
    {"resources/unsubscribe", CWIRE_MCP_RESOURCES_UNSUBSCRIBE},
    {"notifications/message", CWIRE_MCP_NOTIFY_MESSAGE},
    {"sampling/createMessage", CWIRE_MCP_SAMPLING_CREATE_MESSAGE},
    {"notifications/progress", CWIRE_MCP_NOTIFY_PROGRESS},
    {"notifications/cancelled", CWIRE_MCP_NOTIFY_CANCELLED},
    {"resources/templates/list", CWIRE_MCP_RESOURCES_TEMPLATES_LIST},
    {"notifications/initialized", CWIRE_MCP_NOTIFY_INITIALIZED},
    {"notifications/tasks/status", CWIRE_MCP_NOTIFY_TASKS_STATUS},
    {"notifications/resources/updated", CWIRE_MCP_NOTIFY_RESOURCES_UPDATED},
    {"notifications/tools/list_changed", CWIRE_MCP_NOTIFY_TOOLS_LIST_CHANGED},
    {"notifications/roots/list_changed", CWIRE_MCP_NOTIFY_ROOTS_LIST_CHANGED},
    {"notifications/prompts/list_changed", CWIRE_MCP_NOTIFY_PROMPTS_LIST_CHANGED},
    {"notifications/elicitation/complete", CWIRE_MCP_NOTIFY_ELICITATION_COMPLETE},
    {"notifications/resources/list_changed", CWIRE_MCP_NOTIFY_RESOURCES_LIST_CHANGED},
    {"notifications/subscriptions/acknowledged", CWIRE_MCP_NOTIFY_SUBSCRIPTIONS_ACKNOWLEDGED},
};
static const uint8_t method_from[] = {0,  0,  0,  0,  0,  1,  1,  1,  1,  1,  2,  7,  8,  12,
                                      12, 14, 15, 16, 16, 17, 20, 21, 23, 25, 26, 27, 28, 29,
                                      29, 29, 29, 29, 30, 32, 32, 34, 34, 35, 35, 35, 35, 36};
static const cwire_mcp_table method_table = {method_names, method_from, sizeof method_from - 2};

static cwire_span name_of(const cwire_mcp_name *names, size_t count, unsigned code) {
  for (size_t index = 0; index < count; index++) {
    if (names[index].code == code) return cwire_span_text(names[index].text);
  }
  return cwire_span_make(NULL, 0);
}

cwire_mcp_method cwire_mcp_method_code(cwire_span name) {
  int code = cwire_mcp_find(&method_table, name);
  return code < 0 ? CWIRE_MCP_METHOD_OTHER : (cwire_mcp_method)code;
}

int cwire_mcp_top_code(cwire_span name) {
  return cwire_mcp_find(&cwire_mcp_top_table, name);
}

int cwire_mcp_param_code(cwire_span name) {
  return cwire_mcp_find(&cwire_mcp_param_table, name);
}

int cwire_mcp_meta_code(cwire_span name) {
  return cwire_mcp_find(&cwire_mcp_meta_table, name);
}

int cwire_mcp_result_code(cwire_span name) {
  return cwire_mcp_find(&cwire_mcp_result_table, name);
}

cwire_span cwire_mcp_method_name(cwire_mcp_method code) {
  return name_of(method_names, sizeof method_names / sizeof method_names[0], (unsigned)code);
}

cwire_span cwire_mcp_param_name(cwire_mcp_param code) {
  return name_of(param_names, sizeof param_names / sizeof param_names[0], (unsigned)code);
}

cwire_span cwire_mcp_meta_name(cwire_mcp_meta code) {
  return name_of(meta_names, sizeof meta_names / sizeof meta_names[0], (unsigned)code);
}

cwire_span cwire_mcp_result_name(cwire_mcp_result code) {
  return name_of(result_names, sizeof result_names / sizeof result_names[0], (unsigned)code);
}
