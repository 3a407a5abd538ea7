#ifndef LOAD_TEMPLATE_H
#define LOAD_TEMPLATE_H

#include "bytes.h"

/* A text in which `{n}` stands for a number of ten digits, so that each copy of it has the same
   length and a call is made by writing the digits, and `{padding}` for filling. */

enum { TEMPLATE_PLACES = 8, TEMPLATE_DIGITS = 10 };

typedef struct template {
  bytes text;
  size_t places[TEMPLATE_PLACES];
  unsigned count;
}
template;

/* The first number with ten digits: counting begins here. */
#define TEMPLATE_FIRST UINT64_C(1000000000)

/* Makes it of `text`, with as much filling that it has `size` bytes if it has a place for it and is
   shorter. False if there are too many places. */
bool template_make(template *template, const char *text, size_t size);

/* Writes the number into a copy of the text. */
void template_fill(const template *template, uint8_t *copy, uint64_t number);

/* Reads ten digits; 0 if they are none. */
uint64_t template_number(const uint8_t *digits);

#endif
