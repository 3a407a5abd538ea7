#include "CReactorPeers.h"
#include "process/phase.h"

/* The tables are private to the reactor; here tests may ask them. */

_Static_assert((int)PEER_CHILD_GONE == (int)CR_CHILD_GONE, "the same phases");

uint32_t peer_child_phases(void) {
  return CR_CHILD_PHASES;
}

bool peer_child_may(peer_child_phase from, peer_child_phase to) {
  return cr_child_may((cr_child_phase)from, (cr_child_phase)to);
}
