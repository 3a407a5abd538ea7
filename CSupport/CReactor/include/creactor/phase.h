#ifndef CREACTOR_PHASE_H
#define CREACTOR_PHASE_H

#include <stdbool.h>
#include <stdint.h>

/* Where a connection is, and what may follow what. Nothing goes back. */

/* The life of a connection.

     from \ to   OPEN   FLUSHING   CLOSING   GONE
     OPENING      x                  x
     OPEN                  x         x
     FLUSHING                        x
     CLOSING                                  x
     GONE
 */
typedef enum cr_phase {
  CR_OPENING,  /* nothing has arrived yet and nothing can leave: what is written waits */
  CR_OPEN,     /* bytes travel */
  CR_FLUSHING, /* it ends when nothing waits any more; what still comes is thrown away */
  CR_CLOSING,  /* its id is stale; `closed` is still to be told */
  CR_GONE,     /* `closed` was told: only the ready list still knows the slot */
  CR_PHASES
} cr_phase;

/* Our sending side.

     from \ to   FINISHING   SHUT
     OPEN            x
     FINISHING                x
     SHUT
 */
typedef enum cr_sending {
  CR_SENDING_OPEN,
  CR_SENDING_FINISHING, /* it ends when nothing waits any more; nothing more can be written */
  CR_SENDING_SHUT,      /* the transport was told */
  CR_SENDINGS
} cr_sending;

/* The peer's sending side.

     from \ to   ENDED   TOLD
     OPEN          x
     ENDED                x
     TOLD
 */
typedef enum cr_receiving {
  CR_RECEIVING_OPEN,
  CR_RECEIVING_ENDED, /* the end has come, and a pause keeps it from being told */
  CR_RECEIVING_TOLD,
  CR_RECEIVINGS
} cr_receiving;

static inline bool cr_phase_may(cr_phase from, cr_phase to) {
  static const uint8_t table[CR_PHASES] = {
      [CR_OPENING] = 1 << CR_OPEN | 1 << CR_CLOSING,
      [CR_OPEN] = 1 << CR_FLUSHING | 1 << CR_CLOSING,
      [CR_FLUSHING] = 1 << CR_CLOSING,
      [CR_CLOSING] = 1 << CR_GONE,
  };
  return table[from] >> to & 1;
}

static inline bool cr_sending_may(cr_sending from, cr_sending to) {
  static const uint8_t table[CR_SENDINGS] = {
      [CR_SENDING_OPEN] = 1 << CR_SENDING_FINISHING,
      [CR_SENDING_FINISHING] = 1 << CR_SENDING_SHUT,
  };
  return table[from] >> to & 1;
}

static inline bool cr_receiving_may(cr_receiving from, cr_receiving to) {
  static const uint8_t table[CR_RECEIVINGS] = {
      [CR_RECEIVING_OPEN] = 1 << CR_RECEIVING_ENDED,
      [CR_RECEIVING_ENDED] = 1 << CR_RECEIVING_TOLD,
  };
  return table[from] >> to & 1;
}

#endif
