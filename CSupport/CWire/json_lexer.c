#include "cwire/json_lexer.h"

#include "json_reader.h"

enum state {
  STATE_VALUE,          /* a value must follow */
  STATE_VALUE_OR_CLOSE, /* after an opening bracket */
  STATE_KEY,            /* after a comma in an object */
  STATE_KEY_OR_CLOSE,   /* after an opening brace */
  STATE_COLON,
  STATE_AFTER, /* after a value in a container */
  STATE_DONE,
  STATE_STRING,
  STATE_ESCAPE, /* after a backslash */
  STATE_HEX,    /* within the digits of a \u escape; `part` of them are there */
  STATE_NUMBER,
  STATE_LITERAL,
};

enum number_part {
  PART_MINUS,
  PART_ZERO,
  PART_DIGITS,
  PART_POINT,
  PART_FRACTION,
  PART_E,
  PART_SIGN,
  PART_EXPONENT
};

static const char *const literals[] = {"true", "false", "null"};

void cwire_json_lexer_init(cwire_json_lexer *lexer, unsigned max_depth, unsigned watch) {
  *lexer = (cwire_json_lexer){
      .state = STATE_VALUE,
      .max_depth = max_depth < CWIRE_JSON_DEPTH_MAX ? max_depth : CWIRE_JSON_DEPTH_MAX,
      .watch = watch,
  };
}

static bool in_object(const cwire_json_lexer *lexer) {
  unsigned level = lexer->depth - 1;
  return (lexer->objects[level / 32] >> (level % 32) & 1u) != 0;
}

static void end_value(cwire_json_lexer *lexer) {
  lexer->state = lexer->depth == 0 ? STATE_DONE : STATE_AFTER;
}

static int open_container(cwire_json_lexer *lexer, bool object) {
  if (lexer->depth == lexer->max_depth) return CWIRE_JSON_TOO_DEEP;
  unsigned level = lexer->depth++;
  uint32_t bit = (uint32_t)1 << (level % 32);
  lexer->objects[level / 32] = (lexer->objects[level / 32] & ~bit) | (object ? bit : 0);
  lexer->state = object ? STATE_KEY_OR_CLOSE : STATE_VALUE_OR_CLOSE;
  return CWIRE_JSON_EVENT_OPEN;
}

/* The first byte of a scalar is taken by the loops of its kind, save for a string's quote. */
static int open_scalar(cwire_json_lexer *lexer, uint8_t byte) {
  lexer->key = false;
  lexer->part = 0;
  if (byte == '"') {
    lexer->state = STATE_STRING;
  } else if (byte == '-' || (byte >= '0' && byte <= '9')) {
    lexer->state = STATE_NUMBER;
    lexer->part = byte == '-' ? PART_MINUS : byte == '0' ? PART_ZERO : PART_DIGITS;
  } else if (byte == 't' || byte == 'f' || byte == 'n') {
    lexer->state = STATE_LITERAL;
    lexer->literal = byte == 't' ? 0 : byte == 'f' ? 1 : 2;
    lexer->part = 1;
  } else {
    return CWIRE_JSON_SYNTAX;
  }
  return CWIRE_JSON_EVENT_SCALAR;
}

static int open_key(cwire_json_lexer *lexer) {
  lexer->state = STATE_STRING;
  lexer->key = true;
  return CWIRE_JSON_EVENT_KEY;
}

static int close_container(cwire_json_lexer *lexer) {
  lexer->depth--;
  end_value(lexer);
  return CWIRE_JSON_EVENT_CLOSE;
}

/* A byte between tokens that is not whitespace. */
static int take_structure(cwire_json_lexer *lexer, uint8_t byte) {
  switch (lexer->state) {
  case STATE_VALUE_OR_CLOSE:
    if (byte == ']') return close_container(lexer);
    /* fall through */
  case STATE_VALUE:
    if (byte == '{' || byte == '[') return open_container(lexer, byte == '{');
    return open_scalar(lexer, byte);
  case STATE_KEY_OR_CLOSE:
    if (byte == '}') return close_container(lexer);
    /* fall through */
  case STATE_KEY:
    return byte == '"' ? open_key(lexer) : CWIRE_JSON_SYNTAX;
  case STATE_COLON:
    if (byte != ':') return CWIRE_JSON_SYNTAX;
    lexer->state = STATE_VALUE;
    return CWIRE_JSON_EVENT_COLON;
  default:
    if (byte == ',') {
      lexer->state = in_object(lexer) ? STATE_KEY : STATE_VALUE;
      return CWIRE_JSON_EVENT_COMMA;
    }
    if (byte == (in_object(lexer) ? '}' : ']')) return close_container(lexer);
    return CWIRE_JSON_SYNTAX;
  }
}

/* Each of the loops below takes bytes of its token from `*next` and stops at `end`, at the end of
 * the token (with `token_end` set and the state moved on) or at an error. */

static int take_escape(cwire_json_lexer *lexer, uint8_t byte) {
  if (lexer->state == STATE_HEX) {
    bool hex = (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
    if (!hex) return CWIRE_JSON_ESCAPE;
    if (++lexer->part == 4) lexer->state = STATE_STRING;
    return CWIRE_JSON_OK;
  }
  if (byte == 0 || strchr("\"\\/bfnrtu", byte) == NULL) return CWIRE_JSON_ESCAPE;
  lexer->part = 0;
  lexer->state = byte == 'u' ? STATE_HEX : STATE_STRING;
  return CWIRE_JSON_OK;
}

static int take_string(cwire_json_lexer *lexer, const uint8_t **next, const uint8_t *end) {
  const uint8_t *byte = *next;
  int status = CWIRE_JSON_OK;
  while (status == CWIRE_JSON_OK) {
    if (lexer->state == STATE_STRING && lexer->utf8.remaining == 0) {
      byte = cwire_json_plain_run(byte, end);
    }
    if (byte == end) break;
    if (lexer->state != STATE_STRING) {
      status = take_escape(lexer, *byte++);
    } else if (lexer->utf8.remaining > 0 || *byte >= 0x80) {
      size_t length = lexer->utf8.remaining > 0 ? 0 : cwire_utf8_sequence(byte, end);
      if (length == 0) {
        if (!cwire_utf8_step(&lexer->utf8, *byte)) return CWIRE_JSON_UTF8;
        length = 1;
      }
      byte += length;
    } else if (*byte == '"') {
      byte++;
      lexer->token_end = true;
      if (lexer->key) {
        lexer->state = STATE_COLON;
      } else {
        end_value(lexer);
      }
      break;
    } else if (*byte == '\\') {
      byte++;
      lexer->state = STATE_ESCAPE;
    } else {
      return CWIRE_JSON_CONTROL;
    }
  }
  *next = byte;
  return status;
}

/* The part of the number that `byte` continues with, -1 when the number ends before it, -2 when
 * neither can be. */
static int next_number_part(enum number_part part, uint8_t byte) {
  bool digit = byte >= '0' && byte <= '9';
  bool exponent = (byte | 0x20) == 'e';
  switch (part) {
  case PART_MINUS:
    return byte == '0' ? PART_ZERO : digit ? PART_DIGITS : -2;
  case PART_ZERO:
    return byte == '.' ? PART_POINT : exponent ? PART_E : digit ? -2 : -1;
  case PART_DIGITS:
    return digit ? PART_DIGITS : byte == '.' ? PART_POINT : exponent ? PART_E : -1;
  case PART_POINT:
    return digit ? PART_FRACTION : -2;
  case PART_FRACTION:
    return digit ? PART_FRACTION : exponent ? PART_E : -1;
  case PART_E:
    return digit ? PART_EXPONENT : byte == '+' || byte == '-' ? PART_SIGN : -2;
  case PART_SIGN:
    return digit ? PART_EXPONENT : -2;
  case PART_EXPONENT:
    return digit ? PART_EXPONENT : -1;
  }
  return -2;
}

static int take_number(cwire_json_lexer *lexer, const uint8_t **next, const uint8_t *end) {
  for (; *next < end; (*next)++) {
    int part = next_number_part((enum number_part)lexer->part, **next);
    if (part == -2) return CWIRE_JSON_NUMBER;
    if (part == -1) {
      lexer->token_end = true;
      end_value(lexer);
      break;
    }
    lexer->part = (uint8_t)part;
  }
  return CWIRE_JSON_OK;
}

static int take_literal(cwire_json_lexer *lexer, const uint8_t **next, const uint8_t *end) {
  const char *text = literals[lexer->literal];
  while (*next < end && !lexer->token_end) {
    if (**next != (uint8_t)text[lexer->part]) return CWIRE_JSON_SYNTAX;
    (*next)++;
    if (text[++lexer->part] == '\0') {
      lexer->token_end = true;
      end_value(lexer);
    }
  }
  return CWIRE_JSON_OK;
}

/* Takes bytes of the token that is being read. */
static int take_token(cwire_json_lexer *lexer, const uint8_t **next, const uint8_t *end) {
  int status;
  int event = lexer->key ? CWIRE_JSON_EVENT_KEY : CWIRE_JSON_EVENT_SCALAR;
  switch (lexer->state) {
  case STATE_NUMBER:
    status = take_number(lexer, next, end);
    break;
  case STATE_LITERAL:
    status = take_literal(lexer, next, end);
    break;
  default:
    status = take_string(lexer, next, end);
    break;
  }
  return status < 0 ? status : event;
}

/* Takes one piece; at least one byte is there. */
static int take_piece(cwire_json_lexer *lexer, const uint8_t **next, const uint8_t *end) {
  lexer->token_end = false;
  if (lexer->state >= STATE_STRING) return take_token(lexer, next, end);
  const uint8_t *stop = cwire_json_skip_space(*next, end);
  if (stop != *next) {
    *next = stop;
    return CWIRE_JSON_EVENT_SPACE;
  }
  int event = take_structure(lexer, *(*next)++);
  if (event == CWIRE_JSON_EVENT_KEY || event == CWIRE_JSON_EVENT_SCALAR) {
    return take_token(lexer, next, end);
  }
  return event;
}

int cwire_json_lexer_next(cwire_json_lexer *lexer, cwire_span *input, cwire_span *piece) {
  const uint8_t *begin = input->base;
  *piece = cwire_span_make(begin, 0);
  if (lexer->state == STATE_DONE) return CWIRE_JSON_EVENT_END;
  if (input->length == 0) return CWIRE_JSON_EVENT_MORE;
  const uint8_t *next = begin;
  const uint8_t *end = begin + input->length;
  bool nested = lexer->depth > lexer->watch;
  int event;
  do {
    event = take_piece(lexer, &next, end);
    if (event < 0) return event;
    nested = nested || lexer->depth > lexer->watch;
  } while (next < end && lexer->depth > lexer->watch);
  *piece = cwire_span_make(begin, (size_t)(next - begin));
  *input = cwire_span_drop(*input, piece->length);
  return nested ? CWIRE_JSON_EVENT_NESTED : event;
}
