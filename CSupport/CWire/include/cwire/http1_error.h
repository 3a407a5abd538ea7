#ifndef CWIRE_HTTP1_ERROR_H
#define CWIRE_HTTP1_ERROR_H

/* Everything that can be wrong with an HTTP/1.1 message. All are negative, none overlaps
 * cwire_status. After any of them the byte stream has no trustworthy message boundary any more:
 * answer with cwire_http1_error_status (as a server) and close the connection. */
typedef enum cwire_http1_error {
  CWIRE_HTTP1_BAD_BYTE = -1,             /* NUL or another control character in the head */
  CWIRE_HTTP1_BARE_CR = -2,              /* CR without LF */
  CWIRE_HTTP1_BARE_LF = -3,              /* LF without CR */
  CWIRE_HTTP1_EMPTY_LINES = -4,          /* too many empty lines before the request line */
  CWIRE_HTTP1_BAD_REQUEST_LINE = -5,     /* not "method SP target SP version" */
  CWIRE_HTTP1_BAD_METHOD = -6,           /* not a token */
  CWIRE_HTTP1_BAD_TARGET = -7,           /* none of the four forms, or not for this method */
  CWIRE_HTTP1_TARGET_TOO_LONG = -8,      /* 414 */
  CWIRE_HTTP1_BAD_VERSION = -9,          /* not HTTP/d.d */
  CWIRE_HTTP1_UNSUPPORTED_VERSION = -10, /* 505: a major version other than 1 */
  CWIRE_HTTP1_CONNECT = -11,             /* 405: we are no tunnel */
  CWIRE_HTTP1_HEAD_TOO_LARGE = -12,      /* 431 */
  CWIRE_HTTP1_TOO_MANY_FIELDS = -13,     /* 431 */
  CWIRE_HTTP1_FOLDED_FIELD = -14,        /* obs-fold, RFC 9112 section 5.2 */
  CWIRE_HTTP1_MISSING_COLON = -15,
  CWIRE_HTTP1_SPACE_BEFORE_COLON = -16, /* RFC 9112 section 5.1 */
  CWIRE_HTTP1_BAD_FIELD_NAME = -17,     /* empty or not a token */
  CWIRE_HTTP1_HOST_MISSING = -18,
  CWIRE_HTTP1_HOST_REPEATED = -19,
  CWIRE_HTTP1_BAD_HOST = -20,           /* not host[:port], or with user information */
  CWIRE_HTTP1_BAD_CONTENT_LENGTH = -21, /* anything but digits, or more than an int64 holds */
  CWIRE_HTTP1_LENGTH_REPEATED = -22,    /* a second Content-Length */
  CWIRE_HTTP1_LENGTH_AND_CODING = -23,  /* Content-Length beside Transfer-Encoding */
  CWIRE_HTTP1_BAD_CODING = -24,         /* malformed, repeated, or chunked not last */
  CWIRE_HTTP1_UNKNOWN_CODING = -25,     /* 501: a transfer coding other than chunked */
  CWIRE_HTTP1_CODING_IN_1_0 = -26,      /* Transfer-Encoding in an HTTP/1.0 request */
  CWIRE_HTTP1_BAD_STATUS_LINE = -27,    /* a response that does not open with HTTP/1.d ddd */
  CWIRE_HTTP1_BAD_CHUNK_SIZE = -28,
  CWIRE_HTTP1_CHUNK_SIZE_OVERFLOW = -29,
  CWIRE_HTTP1_BAD_CHUNK_EXTENSION = -30, /* malformed or too long */
  CWIRE_HTTP1_BAD_CHUNK_END = -31,       /* chunk data not followed by CRLF */
  CWIRE_HTTP1_BAD_TRAILER = -32,
  CWIRE_HTTP1_TRAILER_TOO_LARGE = -33, /* 431 */
  CWIRE_HTTP1_CHUNKS_TOO_SMALL = -34,  /* far more chunk framing than data */
  CWIRE_HTTP1_BODY_TOO_LARGE = -35,    /* 413 */
  CWIRE_HTTP1_TRUNCATED = -36,         /* the connection ended before the message did */
  CWIRE_HTTP1_BAD_EXPECTATION = -37,   /* 417: an Expect that is not 100-continue */
  CWIRE_HTTP1_ERROR_LAST = CWIRE_HTTP1_BAD_EXPECTATION,
} cwire_http1_error;

/* The status with which a server answers the error: 400, 405, 413, 414, 417, 431, 501 or 505; 400
 * for a number that is no error. Errors in an upstream's response are for the caller to map (502).
 */
int cwire_http1_error_status(int error);

/* One sentence for people (a log line, a `data.reason`), without a full stop; a constant. */
const char *cwire_http1_error_text(int error);

/* The enumerator's name in lower case without its prefix ("bare_lf"), for metric labels and test
 * traces; a constant. */
const char *cwire_http1_error_name(int error);

#endif
