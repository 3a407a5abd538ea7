#include "cwire/sse.h"

#include "line_run.h"

enum state { STATE_LINE_START, STATE_NAME, STATE_AFTER_COLON, STATE_VALUE, STATE_COMMENT };

enum field { FIELD_UNKNOWN, FIELD_DATA, FIELD_EVENT, FIELD_ID, FIELD_RETRY };

/* Longer than every field name, so that the name is unknown. */
#define NAME_OVERFLOW 6u

void cwire_sse_init(cwire_sse_parser *parser) {
  *parser = (cwire_sse_parser){.retry = -1};
}

/* The last event id stays in force from event to event; all else begins anew. */
static void begin_event(cwire_sse_parser *parser) {
  parser->ended = false;
  parser->any_field = false;
  parser->has_data = false;
  parser->has_bytes = false;
  parser->newline_due = false;
  parser->id_set = false;
  parser->type_length = 0;
  parser->type_too_long = false;
  parser->retry = -1;
}

static void take_name(cwire_sse_parser *parser, uint8_t byte) {
  if (parser->name_length < sizeof parser->name) {
    parser->name[parser->name_length++] = byte;
  } else {
    parser->name_length = NAME_OVERFLOW;
  }
}

static enum field field_named(const cwire_sse_parser *parser) {
  if (parser->name_length > sizeof parser->name) return FIELD_UNKNOWN;
  cwire_span name = cwire_span_make(parser->name, parser->name_length);
  if (cwire_span_equal(name, cwire_span_text("data"))) return FIELD_DATA;
  if (cwire_span_equal(name, cwire_span_text("event"))) return FIELD_EVENT;
  if (cwire_span_equal(name, cwire_span_text("id"))) return FIELD_ID;
  if (cwire_span_equal(name, cwire_span_text("retry"))) return FIELD_RETRY;
  return FIELD_UNKNOWN;
}

static void begin_value(cwire_sse_parser *parser) {
  parser->field = (uint8_t)field_named(parser);
  parser->value_length = 0;
  parser->value_number = 0;
  parser->value_invalid = false;
  parser->value_too_long = false;
  if (parser->field == FIELD_DATA) {
    parser->newline_due = parser->has_data;
    parser->has_data = true;
    if (parser->newline_due) parser->has_bytes = true;
  } else if (parser->field == FIELD_EVENT) {
    parser->type_length = 0;
    parser->type_too_long = false;
  }
}

/* Bytes of a value other than data. */
static void take_value(cwire_sse_parser *parser, cwire_span bytes) {
  for (size_t index = 0; index < bytes.length; index++) {
    uint8_t byte = bytes.base[index];
    switch (parser->field) {
    case FIELD_EVENT:
      if (parser->type_length < sizeof parser->type) {
        parser->type[parser->type_length++] = byte;
      } else {
        parser->type_too_long = true;
      }
      break;
    case FIELD_ID:
      if (byte == 0) parser->value_invalid = true;
      if (parser->value_length < sizeof parser->value) {
        parser->value[parser->value_length++] = byte;
      } else {
        parser->value_too_long = true;
      }
      break;
    case FIELD_RETRY:
      if (byte < '0' || byte > '9' ||
          __builtin_mul_overflow(parser->value_number, (int64_t)10, &parser->value_number) ||
          __builtin_add_overflow(parser->value_number, (int64_t)(byte - '0'),
                                 &parser->value_number)) {
        parser->value_invalid = true;
        parser->value_number = 0;
      }
      parser->value_length = 1;
      break;
    default:
      return;
    }
  }
}

static void end_value(cwire_sse_parser *parser) {
  switch (parser->field) {
  case FIELD_DATA:
  case FIELD_EVENT:
    parser->any_field = true;
    break;
  case FIELD_ID:
    if (parser->value_invalid) break;
    memcpy(parser->id, parser->value, parser->value_length);
    parser->id_length = parser->value_length;
    parser->id_too_long = parser->value_too_long;
    parser->id_set = true;
    parser->any_field = true;
    break;
  case FIELD_RETRY:
    if (parser->value_invalid || parser->value_length == 0) break;
    parser->retry = parser->value_number;
    parser->any_field = true;
    break;
  default:
    break;
  }
}

static cwire_sse_step end_event(cwire_sse_parser *parser, cwire_sse_event *event) {
  if (!parser->any_field) return CWIRE_SSE_MORE;
  *event = (cwire_sse_event){
      .type = cwire_span_make(parser->type, parser->type_length),
      .id = cwire_span_make(parser->id, parser->id_length),
      .id_set = parser->id_set,
      .too_long = parser->type_too_long || (parser->id_set && parser->id_too_long),
      .has_data = parser->has_data,
      .data_is_empty = parser->has_data && !parser->has_bytes,
      .retry = parser->retry,
  };
  parser->ended = true;
  return CWIRE_SSE_END;
}

/* The line end at `place` was reached. */
static cwire_sse_step end_line(cwire_sse_parser *parser, const uint8_t *place,
                               cwire_sse_event *event) {
  uint8_t state = parser->state;
  parser->state = STATE_LINE_START;
  if (state == STATE_LINE_START) return end_event(parser, event);
  if (state == STATE_COMMENT) return CWIRE_SSE_COMMENT;
  if (state == STATE_NAME) begin_value(parser);
  end_value(parser);
  if (parser->field != FIELD_DATA || !parser->newline_due) return CWIRE_SSE_MORE;
  /* A further data line that is empty: its line feed is all there is to report. */
  parser->newline_due = false;
  *event = (cwire_sse_event){.data = cwire_span_make(place, 0), .newline = true, .retry = -1};
  return CWIRE_SSE_DATA;
}

/* Takes bytes of a line that has not ended. */
static cwire_sse_step take_line(cwire_sse_parser *parser, cwire_span *input,
                                cwire_sse_event *event) {
  uint8_t byte = input->base[0];
  size_t run;
  switch (parser->state) {
  case STATE_LINE_START:
    parser->name_length = 0;
    parser->state = byte == ':' ? STATE_COMMENT : STATE_NAME;
    return CWIRE_SSE_MORE;
  case STATE_NAME:
    if (byte == ':') {
      begin_value(parser);
      parser->state = STATE_AFTER_COLON;
    } else {
      take_name(parser, byte);
    }
    *input = cwire_span_drop(*input, 1);
    return CWIRE_SSE_MORE;
  case STATE_AFTER_COLON:
    parser->state = STATE_VALUE;
    if (byte == ' ') *input = cwire_span_drop(*input, 1);
    return CWIRE_SSE_MORE;
  default:
    run = (size_t)(cwire_line_run(input->base, input->base + input->length) - input->base);
    break;
  }
  cwire_span bytes = cwire_span_take(*input, run);
  *input = cwire_span_drop(*input, run);
  if (parser->state == STATE_COMMENT) return CWIRE_SSE_MORE;
  if (parser->field != FIELD_DATA) {
    take_value(parser, bytes);
    return CWIRE_SSE_MORE;
  }
  *event = (cwire_sse_event){.data = bytes, .newline = parser->newline_due, .retry = -1};
  parser->newline_due = false;
  parser->has_bytes = true;
  return CWIRE_SSE_DATA;
}

/* Looks for a byte order mark at the very beginning. True when the first byte of the input belongs
 * to one. */
static bool take_bom(cwire_sse_parser *parser, uint8_t byte) {
  static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};
  if (byte == mark[parser->bom]) {
    parser->bom++;
    return true;
  }
  if (parser->bom > 0) {
    /* The bytes passed over were the beginning of a name that nobody knows. */
    parser->state = STATE_NAME;
    parser->name_length = NAME_OVERFLOW;
  }
  parser->bom = sizeof mark;
  return false;
}

cwire_sse_step cwire_sse_next(cwire_sse_parser *parser, cwire_span *input, cwire_sse_event *event) {
  if (parser->ended) begin_event(parser);
  while (input->length > 0) {
    uint8_t byte = input->base[0];
    if (parser->bom < 3 && take_bom(parser, byte)) {
      *input = cwire_span_drop(*input, 1);
      continue;
    }
    bool second_half = parser->skip_lf && byte == '\n';
    parser->skip_lf = false;
    cwire_sse_step step = CWIRE_SSE_MORE;
    if (second_half) {
      *input = cwire_span_drop(*input, 1);
    } else if (byte == '\r' || byte == '\n') {
      step = end_line(parser, input->base, event);
      parser->skip_lf = byte == '\r';
      *input = cwire_span_drop(*input, 1);
    } else {
      step = take_line(parser, input, event);
    }
    if (step != CWIRE_SSE_MORE) return step;
  }
  return CWIRE_SSE_MORE;
}
