#include "websocket_mask.h"

#include "cwire/websocket.h"

typedef uint64_t vector __attribute__((vector_size(16)));

#define HIGH_BITS UINT64_C(0x8080808080808080)

static inline vector load(const uint8_t *from) {
  vector value;
  memcpy(&value, from, sizeof value);
  return value;
}

static inline void store(uint8_t *to, vector value) {
  memcpy(to, &value, sizeof value);
}

bool cwire_ws_unmask(uint8_t *bytes, size_t length, uint32_t mask) {
  uint64_t word = (uint64_t)mask << 32 | mask;
  vector wide = {word, word};
  vector seen = {0, 0};
  for (; length >= 64; length -= 64, bytes += 64) {
    vector a = load(bytes) ^ wide, b = load(bytes + 16) ^ wide;
    vector c = load(bytes + 32) ^ wide, d = load(bytes + 48) ^ wide;
    store(bytes, a);
    store(bytes + 16, b);
    store(bytes + 32, c);
    store(bytes + 48, d);
    seen |= (a | b) | (c | d);
  }
  for (; length >= 16; length -= 16, bytes += 16) {
    vector value = load(bytes) ^ wide;
    store(bytes, value);
    seen |= value;
  }
  uint64_t bits = seen[0] | seen[1];
  if (length >= 8) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    value ^= word;
    memcpy(bytes, &value, sizeof value);
    bits |= value;
    length -= 8;
    bytes += 8;
  }
  uint8_t rest[8];
  memcpy(rest, &word, sizeof rest);
  for (size_t index = 0; index < length; index++) {
    bytes[index] ^= rest[index];
    bits |= bytes[index];
  }
  return (bits & HIGH_BITS) == 0;
}

void cwire_ws_mask(uint8_t *bytes, size_t length, const uint8_t mask[4], uint64_t offset) {
  (void)cwire_ws_unmask(bytes, length, cwire_ws_mask_after(cwire_ws_mask_word(mask), offset));
}
