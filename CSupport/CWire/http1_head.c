#include "http1_field_table.h"
#include "http1_parse.h"
#include "http1_scan.h"

_Static_assert(CWIRE_FIELD_COUNT <= 64, "present and repeated have one bit per field");

/* Judges the control character (or end of input) at `at`: 1 for a CRLF. */
static int check_line_end(const uint8_t *at, const uint8_t *end) {
  if (end - at >= 2 && memcmp(at, "\r\n", 2) == 0) return 1;
  if (at == end) return 0;
  if (*at == '\n') return CWIRE_HTTP1_BARE_LF;
  if (*at != '\r') return CWIRE_HTTP1_BAD_BYTE;
  return end - at < 2 ? 0 : CWIRE_HTTP1_BARE_CR;
}

/* Whether bytes that complete no line and reach no limit hold a stray control character. */
static int check_crumb(const uint8_t *from, const uint8_t *end) {
  if (from[-1] == '\r') from--;
  return check_line_end(cwire_http1_find_control(from, end), end);
}

static int skip_empty_lines(cwire_http1_cursor *cursor) {
  for (int lines = 0; cursor->at < cursor->end && *cursor->at == '\r'; lines++) {
    int result = check_line_end(cursor->at, cursor->end);
    if (result <= 0) return result;
    if (lines == CWIRE_HTTP1_MAX_EMPTY_LINES) return CWIRE_HTTP1_EMPTY_LINES;
    cursor->at += 2;
  }
  return 1;
}

int cwire_http1_begin(cwire_http1_cursor *cursor, cwire_http1_head *head,
                      const cwire_http1_limits *limits, cwire_span input, size_t already_seen) {
  if (input.length == 0) return 0;
  size_t length = input.length < limits->max_head ? input.length : limits->max_head;
  size_t line_max = (size_t)limits->max_target + CWIRE_HTTP1_LINE_SLACK;
  bool at_limit = input.length >= limits->max_head;

  if (already_seen > 0 && already_seen < length && !at_limit) {
    const uint8_t *seen = input.base + already_seen;
    size_t fresh = length - already_seen;
    /* Empty lines shift the bound of the first line by a few bytes. */
    bool reached = length >= line_max && already_seen <= line_max + 2 * CWIRE_HTTP1_MAX_EMPTY_LINES;
    if (!reached && memchr(seen, '\n', fresh) == NULL) return check_crumb(seen, seen + fresh);
  }

  memset(head, 0, offsetof(cwire_http1_head, headers));
  *cursor = (cwire_http1_cursor){
      .start = input.base, .at = input.base, .end = input.base + length, .at_limit = at_limit};
  int result = skip_empty_lines(cursor);
  if (result == 0 && at_limit) return CWIRE_HTTP1_HEAD_TOO_LARGE;
  if (result <= 0) return result;
  size_t left = (size_t)(cursor->end - cursor->at);
  cursor->line_end = cursor->at + (left < line_max ? left : line_max);
  cursor->line_bounded = at_limit || left >= line_max;
  return 1;
}

int cwire_http1_first_line(cwire_http1_cursor *cursor, cwire_span *line) {
  const uint8_t *end = cwire_http1_find_control(cursor->at, cursor->line_end);
  int result = check_line_end(end, cursor->line_end);
  if (result < 0) return result;
  if (result == 0) return cursor->line_bounded ? CWIRE_HTTP1_TARGET_TOO_LONG : 0;
  *line = cwire_span_make(cursor->at, (size_t)(end - cursor->at));
  cursor->at = end + 2;
  return 1;
}

/* Files a field line under its index or in the list, which holds as many as there may be lines. */
static void file(cwire_http1_head *head, cwire_http1_field field, cwire_span name,
                 cwire_span value) {
  if (field != CWIRE_FIELD_OTHER) {
    uint64_t bit = UINT64_C(1) << field;
    if ((head->present & bit) == 0) {
      head->present |= bit;
      head->known[field] = value;
      return;
    }
    head->repeated |= bit;
  }
  head->headers[head->count++] = (cwire_http1_header){name, value, field};
}

/* The value between colon and line end. The line holds no control characters but tabs, so what is
 * not above a space is blank. */
static cwire_span trim_value(const uint8_t *from, const uint8_t *end) {
  while (from < end && *from <= ' ')
    from++;
  while (from < end && end[-1] <= ' ')
    end--;
  return cwire_span_make(from, (size_t)(end - from));
}

/* Names that are not in the enumeration: whether it is a name at all. */
static int check_name(cwire_span name) {
  if (name.length == 0) return CWIRE_HTTP1_BAD_FIELD_NAME;
  if (cwire_http1_all(name, CWIRE_CLASS_TOKEN)) return 1;
  uint8_t last = name.base[name.length - 1];
  return last == ' ' || last == '\t' ? CWIRE_HTTP1_SPACE_BEFORE_COLON : CWIRE_HTTP1_BAD_FIELD_NAME;
}

int cwire_http1_parse_fields(cwire_http1_cursor *cursor, cwire_http1_head *head,
                             uint32_t max_headers, bool lenient) {
  const uint8_t *end = cursor->end;
  if (max_headers > CWIRE_HTTP1_MAX_HEADERS) max_headers = CWIRE_HTTP1_MAX_HEADERS;

  for (uint32_t lines = 0;; lines++) {
    const uint8_t *line = cursor->at;
    const uint8_t *colon = cwire_http1_find_control_or_colon(line, end);
    bool named = colon < end && *colon == ':';
    const uint8_t *line_end = named ? cwire_http1_find_control(colon + 1, end) : colon;
    int result = check_line_end(line_end, end);
    if (result == 0 && cursor->at_limit) return CWIRE_HTTP1_HEAD_TOO_LARGE;
    if (result <= 0) return result;
    cursor->at = line_end + 2;

    if (line_end == line) return 1;
    if (*line <= ' ') return CWIRE_HTTP1_FOLDED_FIELD;
    if (lines == max_headers) return CWIRE_HTTP1_TOO_MANY_FIELDS;
    if (!named) return CWIRE_HTTP1_MISSING_COLON;

    cwire_span name = cwire_span_make(line, (size_t)(colon - line));
    if (lenient) name = cwire_span_trim(name);
    cwire_http1_field field = cwire_http1_field_lookup(name);
    if (field == CWIRE_FIELD_OTHER) {
      result = check_name(name);
      if (result < 0) return result;
    }
    file(head, field, name, trim_value(colon + 1, line_end));
  }
}

int cwire_http1_parse_version(cwire_http1_head *head, cwire_span text) {
  if (text.length != 8 || memcmp(text.base, "HTTP/", 5) != 0) return CWIRE_HTTP1_BAD_VERSION;
  uint8_t major = (uint8_t)(text.base[5] - '0'), minor = (uint8_t)(text.base[7] - '0');
  if (major > 9 || text.base[6] != '.' || minor > 9) return CWIRE_HTTP1_BAD_VERSION;
  if (major != 1) return CWIRE_HTTP1_UNSUPPORTED_VERSION;
  head->minor = minor;
  return 1;
}

bool cwire_http1_next_line(const cwire_http1_head *head, cwire_http1_field field, uint32_t *next,
                           cwire_span *value) {
  if (*next == 0) {
    *next = 1;
    *value = head->known[field];
    return cwire_http1_has(head, field);
  }
  if (!cwire_http1_has_twice(head, field)) return false;
  for (; *next <= head->count; (*next)++) {
    const cwire_http1_header *header = &head->headers[*next - 1];
    if (header->field != field) continue;
    *value = header->value;
    (*next)++;
    return true;
  }
  return false;
}

bool cwire_http1_has_token(const cwire_http1_head *head, cwire_http1_field field,
                           cwire_span token) {
  cwire_span value, element;
  for (uint32_t next = 0; cwire_http1_next_line(head, field, &next, &value);) {
    while (cwire_span_next_element(&value, &element)) {
      if (cwire_span_equal_ignoring_case(element, token)) return true;
    }
  }
  return false;
}

cwire_span cwire_http1_find_header(const cwire_http1_head *head, cwire_span name) {
  for (uint32_t i = 0; i < head->count; i++) {
    const cwire_http1_header *header = &head->headers[i];
    if (header->field != CWIRE_FIELD_OTHER) continue;
    if (cwire_span_equal_ignoring_case(header->name, name)) return header->value;
  }
  return cwire_span_make(NULL, 0);
}
