#include "fault.h"

const char *fault_name(fault fault) {
  static const char *const names[FAULT_COUNT] = {
      "none", "connect", "tls",     "closed", "timeout", "status",    "framing",
      "json", "id",      "content", "error",  "lost",    "duplicate",
  };
  return names[fault];
}
