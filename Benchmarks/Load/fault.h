#ifndef LOAD_FAULT_H
#define LOAD_FAULT_H

/* What can be wrong with an operation, by class. */
typedef enum fault {
  FAULT_NONE,
  FAULT_CONNECT,   /* refused, unreachable, or not open in time */
  FAULT_TLS,       /* the handshake or a record failed */
  FAULT_CLOSED,    /* the connection ended where it should not */
  FAULT_TIMEOUT,   /* no answer in time */
  FAULT_STATUS,    /* an HTTP status that is not the one expected */
  FAULT_FRAMING,   /* bytes that are no HTTP, no event stream, no WebSocket */
  FAULT_JSON,      /* an answer that is no JSON-RPC message */
  FAULT_ID,        /* an answer under another id */
  FAULT_CONTENT,   /* the right id, the wrong content */
  FAULT_ERROR,     /* a JSON-RPC error, or a tool's isError */
  FAULT_LOST,      /* an event that did not arrive */
  FAULT_DUPLICATE, /* an event that came twice, or out of order */
  FAULT_COUNT,
} fault;

/* Static. */
const char *fault_name(fault fault);

#endif
