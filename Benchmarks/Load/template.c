#include "template.h"

static const char number_mark[] = "{n}";
static const char padding_mark[] = "{padding}";

static void pad(bytes *text, size_t count) {
  static const char words[] = "the quick brown fox jumps over the lazy dog, ";
  while (count > 0) {
    size_t piece = count < sizeof words - 1 ? count : sizeof words - 1;
    bytes_append(text, cwire_span_make(words, piece));
    count -= piece;
  }
}

/* Bytes of the text without its padding. */
static size_t plain_length(const char *text) {
  size_t length = strlen(text);
  for (const char *at = text; (at = strstr(at, number_mark)) != NULL; at += 3)
    length += TEMPLATE_DIGITS - (sizeof number_mark - 1);
  if (strstr(text, padding_mark) != NULL) length -= sizeof padding_mark - 1;
  return length;
}

bool template_make(template *template, const char *text, size_t size) {
  *template = (struct template){0};
  size_t plain = plain_length(text);
  const char *padding = strstr(text, padding_mark);
  for (const char *at = text; *at != '\0';) {
    if (at == padding) {
      pad(&template->text, size > plain ? size - plain : 0);
      at += sizeof padding_mark - 1;
    } else if (strncmp(at, number_mark, sizeof number_mark - 1) == 0) {
      if (template->count == TEMPLATE_PLACES) return false;
      template->places[template->count++] = template->text.length;
      bytes_format(&template->text, "%llu", (unsigned long long)TEMPLATE_FIRST);
      at += sizeof number_mark - 1;
    } else {
      bytes_append(&template->text, cwire_span_make(at++, 1));
    }
  }
  return true;
}

void template_fill(const template *template, uint8_t *copy, uint64_t number) {
  uint8_t digits[TEMPLATE_DIGITS];
  for (unsigned i = TEMPLATE_DIGITS; i > 0; i--) {
    digits[i - 1] = (uint8_t)('0' + number % 10);
    number /= 10;
  }
  for (unsigned i = 0; i < template->count; i++)
    memcpy(copy + template->places[i], digits, sizeof digits);
}

uint64_t template_number(const uint8_t *digits) {
  uint64_t number = 0;
  for (unsigned i = 0; i < TEMPLATE_DIGITS; i++) {
    if (digits[i] < '0' || digits[i] > '9') return 0;
    number = number * 10 + (uint64_t)(digits[i] - '0');
  }
  return number;
}
