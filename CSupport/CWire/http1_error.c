#include "cwire/http1_error.h"

static const struct {
  const char *name;
  const char *text;
  int status;
} errors[] = {
    [-CWIRE_HTTP1_BAD_BYTE] = {"bad_byte", "the head holds a control character", 400},
    [-CWIRE_HTTP1_BARE_CR] = {"bare_cr", "a carriage return stands without a line feed", 400},
    [-CWIRE_HTTP1_BARE_LF] = {"bare_lf", "a line feed stands without a carriage return", 400},
    [-CWIRE_HTTP1_EMPTY_LINES] = {"empty_lines", "too many empty lines come before the message",
                                  400},
    [-CWIRE_HTTP1_BAD_REQUEST_LINE] = {"bad_request_line",
                                       "the first line is not a method, a target and a version",
                                       400},
    [-CWIRE_HTTP1_BAD_METHOD] = {"bad_method", "the method is not a token", 400},
    [-CWIRE_HTTP1_BAD_TARGET] = {"bad_target",
                                 "the request target is malformed or does not suit the method",
                                 400},
    [-CWIRE_HTTP1_TARGET_TOO_LONG] = {"target_too_long", "the request target is too long", 414},
    [-CWIRE_HTTP1_BAD_VERSION] = {"bad_version", "the protocol version is malformed", 400},
    [-CWIRE_HTTP1_UNSUPPORTED_VERSION] = {"unsupported_version",
                                          "only HTTP/1.0 and HTTP/1.1 are spoken here", 505},
    [-CWIRE_HTTP1_CONNECT] = {"connect", "CONNECT is not served here", 405},
    [-CWIRE_HTTP1_HEAD_TOO_LARGE] = {"head_too_large", "the head is too large", 431},
    [-CWIRE_HTTP1_TOO_MANY_FIELDS] = {"too_many_fields", "the head has too many fields", 431},
    [-CWIRE_HTTP1_FOLDED_FIELD] = {"folded_field", "a field is folded over two lines", 400},
    [-CWIRE_HTTP1_MISSING_COLON] = {"missing_colon", "a field has no colon", 400},
    [-CWIRE_HTTP1_SPACE_BEFORE_COLON] = {"space_before_colon", "a field name is followed by space",
                                         400},
    [-CWIRE_HTTP1_BAD_FIELD_NAME] = {"bad_field_name", "a field name is not a token", 400},
    [-CWIRE_HTTP1_HOST_MISSING] = {"host_missing", "the Host field is missing", 400},
    [-CWIRE_HTTP1_HOST_REPEATED] = {"host_repeated", "the Host field is repeated", 400},
    [-CWIRE_HTTP1_BAD_HOST] = {"bad_host", "the Host field is not a host and port", 400},
    [-CWIRE_HTTP1_BAD_CONTENT_LENGTH] = {"bad_content_length",
                                         "Content-Length is not one number in range", 400},
    [-CWIRE_HTTP1_LENGTH_REPEATED] = {"length_repeated", "Content-Length is repeated", 400},
    [-CWIRE_HTTP1_LENGTH_AND_CODING] = {"length_and_coding",
                                        "Content-Length and Transfer-Encoding exclude each other",
                                        400},
    [-CWIRE_HTTP1_BAD_CODING] =
        {"bad_coding", "Transfer-Encoding is malformed, or chunked is not its last and only", 400},
    [-CWIRE_HTTP1_UNKNOWN_CODING] = {"unknown_coding",
                                     "the only transfer coding understood is chunked", 501},
    [-CWIRE_HTTP1_CODING_IN_1_0] = {"coding_in_1_0", "HTTP/1.0 has no Transfer-Encoding", 400},
    [-CWIRE_HTTP1_BAD_STATUS_LINE] = {"bad_status_line",
                                      "the first line is not a version and a status code", 400},
    [-CWIRE_HTTP1_BAD_CHUNK_SIZE] = {"bad_chunk_size", "a chunk size is not hexadecimal", 400},
    [-CWIRE_HTTP1_CHUNK_SIZE_OVERFLOW] = {"chunk_size_overflow", "a chunk size has too many digits",
                                          400},
    [-CWIRE_HTTP1_BAD_CHUNK_EXTENSION] = {"bad_chunk_extension",
                                          "a chunk extension is malformed or too long", 400},
    [-CWIRE_HTTP1_BAD_CHUNK_END] = {"bad_chunk_end", "a chunk does not end where its size says",
                                    400},
    [-CWIRE_HTTP1_BAD_TRAILER] = {"bad_trailer", "a trailer field is malformed", 400},
    [-CWIRE_HTTP1_TRAILER_TOO_LARGE] = {"trailer_too_large", "the trailer section is too large",
                                        431},
    [-CWIRE_HTTP1_CHUNKS_TOO_SMALL] = {"chunks_too_small", "the chunk extensions outweigh the data",
                                       400},
    [-CWIRE_HTTP1_BODY_TOO_LARGE] = {"body_too_large", "the body is too large", 413},
    [-CWIRE_HTTP1_BAD_EXPECTATION] = {"bad_expectation",
                                      "the only expectation understood is 100-continue", 417},
    [-CWIRE_HTTP1_TRUNCATED] = {"truncated", "the connection ended before the message did", 400},
};

_Static_assert(sizeof errors / sizeof errors[0] == 1 - CWIRE_HTTP1_ERROR_LAST, "one row per error");

static int row(int error) {
  return error < 0 && error >= CWIRE_HTTP1_ERROR_LAST ? -error : 0;
}

int cwire_http1_error_status(int error) {
  return row(error) != 0 ? errors[row(error)].status : 400;
}

const char *cwire_http1_error_text(int error) {
  return row(error) != 0 ? errors[row(error)].text : "no error";
}

const char *cwire_http1_error_name(int error) {
  return row(error) != 0 ? errors[row(error)].name : "none";
}
