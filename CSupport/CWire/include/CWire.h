#ifndef CWIRE_H
#define CWIRE_H

#include "cwire/address.h"
#include "cwire/base64.h"
#include "cwire/deflate.h"
#include "cwire/forwarded.h"
#include "cwire/hash.h"
#include "cwire/http1.h"
#include "cwire/http1_body.h"
#include "cwire/http1_writer.h"
#include "cwire/json.h"
#include "cwire/json_lexer.h"
#include "cwire/jsonrpc.h"
#include "cwire/jsonrpc_rewrite.h"
#include "cwire/mcp_names.h"
#include "cwire/proxy_protocol.h"
#include "cwire/span.h"
#include "cwire/splice.h"
#include "cwire/sse.h"
#include "cwire/status.h"
#include "cwire/utf8.h"
#include "cwire/websocket.h"
#include "cwire/writer.h"

#endif
