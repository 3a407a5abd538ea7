#ifndef CWIRE_HTTP1_FIELD_TABLE_H
#define CWIRE_HTTP1_FIELD_TABLE_H

/* Private to CWire: the known field names, and the lookup of one in line, as a head has a dozen. */

#include "cwire/http1_field.h"
#include "same_bytes.h"

enum { CWIRE_HTTP1_LONGEST_FIELD = 30 };

typedef struct cwire_http1_field_row {
  char text[CWIRE_HTTP1_LONGEST_FIELD + 1];
  uint8_t length;
} cwire_http1_field_row;

_Static_assert(sizeof(cwire_http1_field_row) == 32, "a row is copied in two moves of 16 bytes");

extern const cwire_http1_field_row cwire_http1_fields[CWIRE_FIELD_COUNT];

/* Length and first letter, by its low five bits, single out one candidate. Stored plus one, so that
 * 0 means none. */
extern const uint8_t cwire_http1_field_by_shape[CWIRE_HTTP1_LONGEST_FIELD + 1][32];

/* cwire_http1_field_find. Names are compared but for bit 0x20: ours are letters and hyphens, so the
 * only bytes this confuses besides the two cases of a letter are a hyphen and CR, and no control
 * character gets here. */
static inline cwire_http1_field cwire_http1_field_lookup(cwire_span name) {
  if (name.length == 0 || name.length > CWIRE_HTTP1_LONGEST_FIELD) return CWIRE_FIELD_OTHER;
  unsigned candidate = cwire_http1_field_by_shape[name.length][name.base[0] & 31];
  if (candidate == 0) return CWIRE_FIELD_OTHER;
  const uint8_t *ours = (const uint8_t *)cwire_http1_fields[candidate - 1].text;
  if (!cwire_same_masked(name.base, ours, name.length, 0xff & ~0x20)) return CWIRE_FIELD_OTHER;
  return (cwire_http1_field)(candidate - 1);
}

#endif
