#include "http1_parse.h"
#include "http1_scan.h"

_Static_assert(CWIRE_FIELD_COUNT <= 64, "present and repeated have one bit per field");

cwire_http1_cursor cwire_http1_cursor_make(const cwire_http1_limits *limits, cwire_span input,
                                           size_t already_seen) {
  cwire_span head = cwire_span_take(input, limits->max_head);
  size_t seen = already_seen < head.length ? already_seen : head.length;
  return (cwire_http1_cursor){
      .start = head.base,
      .at = head.base,
      .end = head.base + head.length,
      .seen = head.base + seen,
      .at_limit = input.length >= limits->max_head,
  };
}

void cwire_http1_clear(cwire_http1_head *head) {
  memset(head, 0, offsetof(cwire_http1_head, headers));
}

/* Moves `at` to the next CR of a CRLF, refusing every other control character on the way. */
static int find_line_end(const uint8_t **at, const uint8_t *end) {
  const uint8_t *found = cwire_http1_find_control(*at, end);
  *at = found;
  if (found == end) return 0;
  if (*found == '\n') return CWIRE_HTTP1_BARE_LF;
  if (*found != '\r') return CWIRE_HTTP1_BAD_BYTE;
  if (end - found < 2) return 0;
  return found[1] == '\n' ? 1 : CWIRE_HTTP1_BARE_CR;
}

static int skip_empty_lines(cwire_http1_cursor *cursor) {
  for (int lines = 0; cursor->at < cursor->end && *cursor->at == '\r'; lines++) {
    if (lines == CWIRE_HTTP1_MAX_EMPTY_LINES) return CWIRE_HTTP1_EMPTY_LINES;
    if (cursor->end - cursor->at < 2) return 0;
    if (cursor->at[1] != '\n') return CWIRE_HTTP1_BARE_CR;
    cursor->at += 2;
  }
  return 1;
}

int cwire_http1_first_line(cwire_http1_cursor *cursor, const cwire_http1_limits *limits,
                           cwire_span *line) {
  int result = skip_empty_lines(cursor);
  if (result == 0 && cursor->at_limit) return CWIRE_HTTP1_HEAD_TOO_LARGE;
  if (result <= 0) return result;

  /* The line is searched from its beginning each time; its bound keeps that cheap. */
  const uint8_t *end = cursor->end;
  bool bounded = cursor->at_limit;
  size_t longest = (size_t)limits->max_target + CWIRE_HTTP1_LINE_SLACK;
  if ((size_t)(end - cursor->at) >= longest) {
    end = cursor->at + longest;
    bounded = true;
  }
  const uint8_t *at = cursor->at;
  result = find_line_end(&at, end);
  if (result < 0) return result;
  if (result == 0) return bounded ? CWIRE_HTTP1_TARGET_TOO_LONG : 0;
  *line = cwire_span_make(cursor->at, (size_t)(at - cursor->at));
  cursor->at = at + 2;
  return 1;
}

int cwire_http1_find_end(cwire_http1_cursor *cursor, cwire_span *fields) {
  const uint8_t *first = cursor->at;
  const uint8_t *at = first;
  /* The empty line can have begun three bytes before the end of what was seen; a line feed there
   * belongs to the CR before it, which has been approved. */
  if (cursor->seen - first > 3) {
    at = cursor->seen - 3;
    if (*at == '\n') at--;
  }
  bool line_start = at == first;
  for (;;) {
    const uint8_t *line = at;
    int result = find_line_end(&at, cursor->end);
    if (result < 0) return result;
    if (result == 0) return cursor->at_limit ? CWIRE_HTTP1_HEAD_TOO_LARGE : 0;
    if (line_start && at == line) break;
    at += 2;
    line_start = true;
  }
  *fields = cwire_span_make(first, (size_t)(at - first));
  cursor->at = at + 2;
  return 1;
}

/* Files one field line under its index or in the list. The list can't overflow: it holds as many
 * entries as there may be lines. */
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

int cwire_http1_parse_fields(cwire_http1_head *head, cwire_span fields, uint32_t max_headers,
                             bool lenient) {
  const uint8_t *at = fields.base, *end = fields.base + fields.length;
  uint32_t lines = 0;
  if (max_headers > CWIRE_HTTP1_MAX_HEADERS) max_headers = CWIRE_HTTP1_MAX_HEADERS;

  while (at < end) {
    if (*at == ' ' || *at == '\t') return CWIRE_HTTP1_FOLDED_FIELD;
    if (++lines > max_headers) return CWIRE_HTTP1_TOO_MANY_FIELDS;

    const uint8_t *colon = cwire_http1_find_either(at, end, ':', '\r');
    if (*colon != ':') return CWIRE_HTTP1_MISSING_COLON;
    cwire_span name = cwire_span_make(at, (size_t)(colon - at));
    cwire_http1_field field = cwire_http1_field_find(name);
    if (field == CWIRE_FIELD_OTHER) {
      if (lenient) {
        name = cwire_span_trim(name);
        field = cwire_http1_field_find(name);
      }
      if (name.length == 0) return CWIRE_HTTP1_BAD_FIELD_NAME;
      if (!cwire_http1_all(name, CWIRE_CLASS_TOKEN)) {
        uint8_t last = name.base[name.length - 1];
        return last == ' ' || last == '\t' ? CWIRE_HTTP1_SPACE_BEFORE_COLON
                                           : CWIRE_HTTP1_BAD_FIELD_NAME;
      }
    }

    const uint8_t *from = colon + 1;
    const uint8_t *line_end = cwire_http1_find_either(from, end, '\r', '\r');
    file(head, field, name, cwire_span_trim(cwire_span_make(from, (size_t)(line_end - from))));
    at = line_end + 2;
  }
  return 1;
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
