#include "listener/preface.h"

#include <cwire/proxy_protocol.h>

#include "connection/transport_memory.h"
#include "connection/transport_plain.h"
#include "listener/admission.h"
#include "listener/client_address.h"

/* Reads the PROXY protocol's header in front of the transport that an accepted connection is about
   to get. Stands where that will be while the header comes, and lets the connection know nothing:
   it is not connected yet, and `head_timeout` runs since it was accepted. */

static const cr_transport over_plain, over_memory;

static const cr_transport *below(const cr_connection *connection) {
  return connection->transport == &over_memory ? &cr_transport_memory : &cr_transport_plain;
}

static void preface_connected(cr_connection *connection, int status) {
  if (status == 0) status = below(connection)->read_start(connection);
  if (status < 0) cr_connection_close(connection, cr_error_uv(status));
}

/* Goes on as a connection that was accepted just now, from whom the header says. */
static void begin(cr_connection *connection, const cwire_proxy *proxy) {
  if (proxy->known) cr_client_is(connection, proxy->source);
  bool welcome = !proxy->known || cr_client_count(connection);
  const cr_transport *transport = below(connection);
  transport->read_stop(connection);
  connection->transport = transport;
  /* Over TLS an answer would take a handshake, which is what there is no room for. */
  bool encrypted = connection->server.listener->tls != NULL;
  if (encrypted && (!welcome || !cr_listener_encrypt(connection, transport))) {
    cr_connection_close(connection, cr_error_reason(CR_REASON_LIMIT));
    return;
  }
  connection->transport->connected(connection, 0);
  if (!welcome && !cr_is_closing(connection)) connection->protocol->refuse(connection, 429);
}

/* Nobody who trusts a proxy's word may be told one by somebody else. */
static void refuse(cr_connection *connection) {
  connection->loop->counts.rejected++;
  if (!connection->server.listener->tls) {
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
        "Content-Length: 65\r\nConnection: close\r\n\r\n"
        "This listener expects the PROXY protocol (proxy_protocol: true).\n";
    uv_buf_t piece = uv_buf_init((char *)(uintptr_t)answer, sizeof answer - 1);
    below(connection)->try_write(connection, &piece, 1);
  }
  cr_connection_close(connection, cr_error_reason(CR_REASON_LOCAL));
}

static void preface_received(cr_connection *connection, uint8_t *bytes, ssize_t count) {
  cr_loop *loop = connection->loop;
  if (cr_is_closing(connection) || count == 0) return;
  loop->events++;
  if (count < 0) {
    cr_error error =
        count == UV_EOF ? cr_error_reason(CR_REASON_PEER_CLOSED) : cr_error_uv((int)count);
    cr_connection_close(connection, error);
    return;
  }
  cwire_span came = cwire_span_make(bytes, (size_t)count);
  cr_buffer *kept = connection->kept;
  if (kept && !cr_buffer_append(&loop->buffers, &connection->kept, came)) {
    cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
    return;
  }
  cwire_span all = kept ? cr_buffer_span(connection->kept) : came;
  cwire_proxy proxy;
  ptrdiff_t used = cwire_proxy_parse(&proxy, all);
  if (used < 0) {
    refuse(connection);
  } else if (used == 0) {
    if (!kept && !cr_buffer_append(&loop->buffers, &connection->kept, came))
      cr_connection_close(connection, cr_error_uv(UV_ENOMEM));
  } else {
    kept = connection->kept;
    connection->kept = NULL;
    begin(connection, &proxy);
    cwire_span rest = cwire_span_drop(all, (size_t)used);
    if (!cr_is_closing(connection) && rest.length > 0)
      connection->transport->received(connection, (uint8_t *)(uintptr_t)rest.base,
                                      (ssize_t)rest.length);
    cr_buffer_give(&loop->buffers, kept);
  }
}

static void preface_close(cr_connection *connection, bool reset) {
  below(connection)->close(connection, reset);
}

static void preface_run(cr_connection *connection) {
  if (below(connection)->run) below(connection)->run(connection);
}

/* Nothing is written and nothing paused before `connected`. */
static const cr_transport over_plain = {
    .close = preface_close,
    .connected = preface_connected,
    .received = preface_received,
};

static const cr_transport over_memory = {
    .close = preface_close,
    .run = preface_run,
    .connected = preface_connected,
    .received = preface_received,
};

bool cr_listener_secure(cr_connection *connection, const cr_transport *below) {
  if (!connection->server.listener->proxied) return cr_listener_encrypt(connection, below);
  connection->transport = below == &cr_transport_memory ? &over_memory : &over_plain;
  return true;
}
