#include "cwire/http1_writer.h"

#include "http1_field_table.h"
#include "http1_scan.h"

static const char *const reasons[512] = {
    [100] = "Continue",
    [101] = "Switching Protocols",
    [103] = "Early Hints",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [507] = "Insufficient Storage",
    [511] = "Network Authentication Required",
};

const char *cwire_http1_status_reason(int status) {
  if (status < 0 || status >= (int)(sizeof reasons / sizeof reasons[0])) return "";
  return reasons[status] != NULL ? reasons[status] : "";
}

void cwire_http1_put_status_line(cwire_writer *writer, int status) {
  if (status < 100 || status > 999) {
    writer->invalid = true;
    return;
  }
  /* The last space is due before an empty reason too, RFC 9112 section 4. */
  static const char form[] = "HTTP/1.1 200 ";
  cwire_span reason = cwire_span_text(cwire_http1_status_reason(status));
  size_t length = sizeof form - 1;
  uint8_t *to = cwire_writer_reserve(writer, length + reason.length + 2);
  if (to == NULL) return;
  memcpy(to, form, length);
  to[9] = (uint8_t)('0' + status / 100);
  to[10] = (uint8_t)('0' + status / 10 % 10);
  to[11] = (uint8_t)('0' + status % 10);
  memcpy(to + length, reason.base, reason.length);
  memcpy(to + length + reason.length, "\r\n", 2);
}

void cwire_http1_put_request_line(cwire_writer *writer, cwire_span method, cwire_span target) {
  if (method.length == 0 || !cwire_http1_all(method, CWIRE_CLASS_TOKEN) || target.length == 0 ||
      !cwire_http1_all(target, CWIRE_CLASS_TARGET)) {
    writer->invalid = true;
    return;
  }
  cwire_writer_put_span(writer, method);
  cwire_writer_put_byte(writer, ' ');
  cwire_writer_put_span(writer, target);
  cwire_writer_put_text(writer, " HTTP/1.1\r\n");
}

/* What follows the name in a line; the value has been approved. */
static void finish_line(uint8_t *to, cwire_span value) {
  *to++ = ':';
  *to++ = ' ';
  if (value.length > 0) memcpy(to, value.base, value.length);
  memcpy(to + value.length, "\r\n", 2);
}

void cwire_http1_put_header(cwire_writer *writer, cwire_span name, cwire_span value) {
  if (name.length == 0 || !cwire_http1_all(name, CWIRE_CLASS_TOKEN) ||
      cwire_http1_holds_control(value)) {
    writer->invalid = true;
    return;
  }
  uint8_t *to = cwire_writer_reserve(writer, name.length + value.length + 4);
  if (to == NULL) return;
  memcpy(to, name.base, name.length);
  finish_line(to + name.length, value);
}

void cwire_http1_put_field(cwire_writer *writer, cwire_http1_field field, cwire_span value) {
  if ((unsigned)field >= CWIRE_FIELD_COUNT || cwire_http1_holds_control(value)) {
    writer->invalid = true;
    return;
  }
  const cwire_http1_field_row *row = &cwire_http1_fields[field];
  size_t length = row->length + value.length + 4;
  uint8_t *to = cwire_writer_reserve(writer, length);
  if (to == NULL) return;
  if (length >= sizeof *row) {
    /* Two moves instead of a call; the rest of the line covers what is too much. */
    memcpy(to, row, 16);
    memcpy(to + 16, (const uint8_t *)row + 16, 16);
  } else {
    memcpy(to, row->text, row->length);
  }
  finish_line(to + row->length, value);
}

void cwire_http1_put_content_length(cwire_writer *writer, uint64_t length) {
  cwire_writer_put_text(writer, "Content-Length: ");
  cwire_writer_put_u64(writer, length);
  cwire_writer_put_text(writer, "\r\n");
}

void cwire_http1_put_chunked(cwire_writer *writer) {
  cwire_writer_put_text(writer, "Transfer-Encoding: chunked\r\n");
}

void cwire_http1_put_head_end(cwire_writer *writer) {
  cwire_writer_put_text(writer, "\r\n");
}

void cwire_http1_put_chunk_head(cwire_writer *writer, uint64_t size) {
  if (size == 0) {
    writer->invalid = true; /* it would end the body */
    return;
  }
  cwire_writer_put_hex(writer, size);
  cwire_writer_put_text(writer, "\r\n");
}

static void put_two(uint8_t *to, unsigned value) {
  to[0] = (uint8_t)('0' + value / 10 % 10);
  to[1] = (uint8_t)('0' + value % 10);
}

void cwire_http1_put_date(cwire_writer *writer, int64_t unix_seconds) {
  static const char days[] = "ThuFriSatSunMonTueWed"; /* day 0 was a Thursday */
  static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
  if (unix_seconds < 0 || unix_seconds > INT64_C(253402300799)) {
    writer->invalid = true;
    return;
  }
  unsigned second = (unsigned)(unix_seconds % 86400);
  unsigned days_since_1970 = (unsigned)(unix_seconds / 86400);

  /* Counting years from 1 March puts the leap day last, and eras of 400 years have one length. */
  unsigned day = days_since_1970 + 719468; /* since 1 March of year 0 */
  unsigned era = day / 146097;
  unsigned day_of_era = day % 146097;
  unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  unsigned month = (5 * day_of_year + 2) / 153; /* 0 is March */
  unsigned day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
  unsigned year = era * 400 + year_of_era + (month >= 10 ? 1 : 0);

  uint8_t *to = cwire_writer_reserve(writer, CWIRE_HTTP1_DATE_LENGTH);
  if (to == NULL) return;
  memcpy(to, "Thu, 01 Jan 1970 00:00:00 GMT", CWIRE_HTTP1_DATE_LENGTH);
  memcpy(to, days + days_since_1970 % 7 * 3, 3);
  put_two(to + 5, day_of_month);
  memcpy(to + 8, months + month * 3, 3);
  put_two(to + 12, year / 100);
  put_two(to + 14, year % 100);
  put_two(to + 17, second / 3600);
  put_two(to + 20, second / 60 % 60);
  put_two(to + 23, second % 60);
}
