#include "chunked.h"
#include "http1_scan.h"

enum {
  MAX_SIZE_LINE = 256,      /* bytes of a size with its extensions */
  MAX_SIZE_DIGITS = 16,     /* leading zeros count */
  MAX_TRAILERS = 8192,      /* bytes of the trailer section */
  MAX_OVERHEAD = 16 * 1024, /* bytes of framing beyond what the data excuses */
};

enum state {
  SIZE_START,
  SIZE,
  /* *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ), section 7.1.1 */
  EXTENSION_SPACE,
  EXTENSION_NAME_START,
  EXTENSION_NAME,
  EXTENSION_NAME_SPACE,
  EXTENSION_VALUE_START,
  EXTENSION_VALUE,
  EXTENSION_QUOTED,
  EXTENSION_ESCAPED,
  EXTENSION_QUOTED_END,
  SIZE_LF,
  DATA,
  DATA_CR,
  DATA_LF,
  TRAILER_START,
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,
  LAST_LF,
  DONE,
};

void cwire_chunked_start(cwire_http1_body *body) {
  body->state = SIZE_START;
  body->remaining = 0;
  body->overhead = 0;
  body->line = 0;
}

bool cwire_chunked_is_done(const cwire_http1_body *body) {
  return body->state == DONE;
}

/* 0 to 15, or -1. */
static int hex_value(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  uint8_t letter = byte | 0x20;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* A line end where a size line may end, or the error that the byte stands for. */
static int end_of_size(cwire_http1_body *body, uint8_t byte, cwire_http1_error otherwise) {
  if (byte == '\n') return CWIRE_HTTP1_BARE_LF;
  if (byte != '\r') return otherwise;
  body->state = SIZE_LF;
  return 0;
}

static int size_byte(cwire_http1_body *body, uint8_t byte) {
  int digit = hex_value(byte);
  if (digit >= 0) {
    if (body->line > MAX_SIZE_DIGITS || body->remaining >> 59 != 0) {
      return CWIRE_HTTP1_CHUNK_SIZE_OVERFLOW;
    }
    body->remaining = body->remaining << 4 | (uint64_t)digit;
    body->state = SIZE;
    return 0;
  }
  if (body->state == SIZE_START) {
    return byte == '\n' ? CWIRE_HTTP1_BARE_LF : CWIRE_HTTP1_BAD_CHUNK_SIZE;
  }
  if (byte == ';') {
    body->state = EXTENSION_NAME_START;
    return 0;
  }
  if (byte == ' ' || byte == '\t') {
    body->state = EXTENSION_SPACE;
    return 0;
  }
  return end_of_size(body, byte, CWIRE_HTTP1_BAD_CHUNK_SIZE);
}

/* Extensions mean nothing to us, but where they end must be beyond doubt. */
static int extension_byte(cwire_http1_body *body, uint8_t byte) {
  bool space = byte == ' ' || byte == '\t';
  bool token = cwire_http1_is(byte, CWIRE_CLASS_TOKEN);
  if (byte == '\n') return CWIRE_HTTP1_BARE_LF;
  switch ((enum state)body->state) {
  case EXTENSION_SPACE:
    if (space) return 0;
    if (byte != ';') return CWIRE_HTTP1_BAD_CHUNK_EXTENSION;
    body->state = EXTENSION_NAME_START;
    return 0;
  case EXTENSION_NAME_START:
    if (space) return 0;
    if (!token) return CWIRE_HTTP1_BAD_CHUNK_EXTENSION;
    body->state = EXTENSION_NAME;
    return 0;
  case EXTENSION_NAME:
  case EXTENSION_NAME_SPACE:
    if (byte == ';') {
      body->state = EXTENSION_NAME_START;
    } else if (byte == '=') {
      body->state = EXTENSION_VALUE_START;
    } else if (space) {
      body->state = EXTENSION_NAME_SPACE;
    } else if (body->state == EXTENSION_NAME_SPACE) {
      return CWIRE_HTTP1_BAD_CHUNK_EXTENSION;
    } else if (!token) {
      return end_of_size(body, byte, CWIRE_HTTP1_BAD_CHUNK_EXTENSION);
    }
    return 0;
  case EXTENSION_VALUE_START:
    if (space) return 0;
    if (!token && byte != '"') return CWIRE_HTTP1_BAD_CHUNK_EXTENSION;
    body->state = byte == '"' ? EXTENSION_QUOTED : EXTENSION_VALUE;
    return 0;
  case EXTENSION_VALUE:
    if (token) return 0;
    break;
  case EXTENSION_QUOTED:
    if (cwire_http1_is_control(byte)) return CWIRE_HTTP1_BAD_CHUNK_EXTENSION;
    if (byte == '"') body->state = EXTENSION_QUOTED_END;
    if (byte == '\\') body->state = EXTENSION_ESCAPED;
    return 0;
  case EXTENSION_ESCAPED:
    if (cwire_http1_is_control(byte)) return CWIRE_HTTP1_BAD_CHUNK_EXTENSION;
    body->state = EXTENSION_QUOTED;
    return 0;
  default:
    break;
  }
  /* Behind a value. */
  if (byte == ';') {
    body->state = EXTENSION_NAME_START;
  } else if (space) {
    body->state = EXTENSION_SPACE;
  } else {
    return end_of_size(body, byte, CWIRE_HTTP1_BAD_CHUNK_EXTENSION);
  }
  return 0;
}

/* The line feed of a size line: decides what the chunk may cost. A peer that wraps single bytes in
 * long extensions makes us read without end for next to nothing, hence the balance: each chunk is
 * excused 16 bytes of framing, and as many as twice its data. */
static int size_line_ended(cwire_http1_body *body) {
  if (body->remaining > body->allowance) return CWIRE_HTTP1_BODY_TOO_LARGE;
  body->allowance -= body->remaining;
  if (body->remaining == 0) {
    body->overhead = 0;
    body->state = TRAILER_START;
  } else {
    uint64_t cost = (uint64_t)body->overhead + body->line + 2;
    uint64_t excused = body->remaining > MAX_OVERHEAD ? MAX_OVERHEAD * 2 : body->remaining * 2 + 16;
    body->overhead = cost > excused ? (uint32_t)(cost - excused) : 0;
    if (body->overhead > MAX_OVERHEAD) return CWIRE_HTTP1_CHUNKS_TOO_SMALL;
    body->state = DATA;
  }
  body->line = 0;
  return 0;
}

/* Trailer fields are dropped (RFC 9110 section 6.5.1 permits it), yet must look like fields. */
static int trailer_byte(cwire_http1_body *body, uint8_t byte) {
  if (++body->overhead > MAX_TRAILERS) return CWIRE_HTTP1_TRAILER_TOO_LARGE;
  switch ((enum state)body->state) {
  case TRAILER_START:
    if (byte == '\r') {
      body->state = LAST_LF;
      return 0;
    }
    if (!cwire_http1_is(byte, CWIRE_CLASS_TOKEN)) break;
    body->state = TRAILER_NAME;
    return 0;
  case TRAILER_NAME:
    if (byte == ':') {
      body->state = TRAILER_VALUE;
    } else if (!cwire_http1_is(byte, CWIRE_CLASS_TOKEN)) {
      break;
    }
    return 0;
  case TRAILER_VALUE:
    if (byte == '\r') {
      body->state = TRAILER_LF;
    } else if (cwire_http1_is_control(byte)) {
      break;
    }
    return 0;
  case TRAILER_LF:
    if (byte != '\n') return CWIRE_HTTP1_BARE_CR;
    body->state = TRAILER_START;
    return 0;
  default: /* LAST_LF */
    if (byte != '\n') return CWIRE_HTTP1_BARE_CR;
    body->state = DONE;
    return 0;
  }
  return byte == '\n' ? CWIRE_HTTP1_BARE_LF : CWIRE_HTTP1_BAD_TRAILER;
}

static int framing_byte(cwire_http1_body *body, uint8_t byte) {
  switch ((enum state)body->state) {
  case DATA_CR:
    if (byte != '\r') return CWIRE_HTTP1_BAD_CHUNK_END;
    body->state = DATA_LF;
    return 0;
  case DATA_LF:
    if (byte != '\n') return CWIRE_HTTP1_BAD_CHUNK_END;
    body->state = SIZE_START;
    return 0;
  case TRAILER_START:
  case TRAILER_NAME:
  case TRAILER_VALUE:
  case TRAILER_LF:
  case LAST_LF:
    return trailer_byte(body, byte);
  default:
    break;
  }
  if (++body->line > MAX_SIZE_LINE) return CWIRE_HTTP1_BAD_CHUNK_EXTENSION;
  if (body->state == SIZE_START || body->state == SIZE) return size_byte(body, byte);
  if (body->state != SIZE_LF) return extension_byte(body, byte);
  return byte == '\n' ? size_line_ended(body) : CWIRE_HTTP1_BARE_CR;
}

int cwire_chunked_next(cwire_http1_body *body, cwire_span *input, cwire_span *piece) {
  while (input->length > 0 && body->state != DONE) {
    if (body->state == DATA) {
      size_t length = input->length < body->remaining ? input->length : (size_t)body->remaining;
      *piece = cwire_span_take(*input, length);
      *input = cwire_span_drop(*input, length);
      body->remaining -= length;
      if (body->remaining == 0) body->state = DATA_CR;
      return CWIRE_MORE;
    }
    int result = framing_byte(body, input->base[0]);
    if (result < 0) return result;
    *input = cwire_span_drop(*input, 1);
  }
  return body->state == DONE ? CWIRE_OK : CWIRE_MORE;
}
