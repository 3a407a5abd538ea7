#include "http1_scan.h"

enum {
  MARK = CWIRE_CLASS_TARGET,
  NAME_MARK = CWIRE_CLASS_TARGET | CWIRE_CLASS_TOKEN,
  HOST_MARK = CWIRE_CLASS_TARGET | CWIRE_CLASS_TOKEN | CWIRE_CLASS_HOST,
  LETTER = HOST_MARK,
  DIGIT = HOST_MARK | CWIRE_CLASS_HEX,
};

const uint8_t cwire_http1_class[256] = {
    ['!'] = NAME_MARK,
    ['"'] = MARK,
    ['#'] = CWIRE_CLASS_TOKEN,
    ['$' ... '\''] = NAME_MARK,
    ['(' ... ')'] = MARK,
    ['*' ... '+'] = NAME_MARK,
    [','] = MARK,
    ['-' ... '.'] = HOST_MARK,
    ['/'] = MARK,
    ['0' ... '9'] = DIGIT,
    [':' ... '@'] = MARK,
    ['A' ... 'F'] = DIGIT,
    ['G' ... 'Z'] = LETTER,
    ['[' ... ']'] = MARK,
    ['^'] = NAME_MARK,
    ['_'] = HOST_MARK,
    ['`'] = NAME_MARK,
    ['a' ... 'f'] = DIGIT,
    ['g' ... 'z'] = LETTER,
    ['{'] = MARK,
    ['|'] = NAME_MARK,
    ['}'] = MARK,
    ['~'] = HOST_MARK,
};
