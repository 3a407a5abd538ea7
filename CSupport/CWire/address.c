#include "cwire/address.h"

#include <arpa/inet.h>

bool cwire_address_parse(cwire_span text, uint8_t out[16]) {
  char name[INET6_ADDRSTRLEN];
  uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff};
  if (text.length == 0 || text.length >= sizeof name || memchr(text.base, 0, text.length))
    return false;
  memcpy(name, text.base, text.length);
  name[text.length] = 0;
  if (inet_pton(AF_INET, name, bytes + 12) != 1 && inet_pton(AF_INET6, name, bytes) != 1)
    return false;
  memcpy(out, bytes, sizeof bytes);
  return true;
}

bool cwire_network_has(const cwire_network *network, const uint8_t address[16]) {
  unsigned whole = network->bits / 8, rest = network->bits % 8;
  if (memcmp(network->address, address, whole) != 0) return false;
  return rest == 0 || (network->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}
