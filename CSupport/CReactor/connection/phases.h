#ifndef CREACTOR_CONNECTION_PHASES_H
#define CREACTOR_CONNECTION_PHASES_H

#include "connection/connection.h"
#include "loop/check.h"

/* For the files of this floor alone: how a connection goes from phase to phase, and what its halves
   know of each other. life.c is below reading.c and writing.c, run.c above both. */

static inline void cr_phase_enter(cr_connection *connection, cr_phase phase) {
  cr_assert(cr_phase_may((cr_phase)connection->phase, phase));
  connection->phase = (uint8_t)phase;
}

static inline void cr_sending_enter(cr_connection *connection, cr_sending sending) {
  cr_assert(cr_sending_may((cr_sending)connection->sending, sending));
  connection->sending = (uint8_t)sending;
}

static inline void cr_receiving_enter(cr_connection *connection, cr_receiving receiving) {
  cr_assert(cr_receiving_may((cr_receiving)connection->receiving, receiving));
  connection->receiving = (uint8_t)receiving;
}

/* Between these two runs a call that policy can make: nothing may be told from within. */
static inline void cr_call_begins(cr_loop *loop) {
#ifdef DEBUG
  loop->calls++;
#else
  (void)loop;
#endif
}

static inline void cr_call_ends(cr_loop *loop) {
#ifdef DEBUG
  cr_assert(loop->calls > 0);
  loop->calls--;
#else
  (void)loop;
#endif
}

/* Goes before each call of the protocol. */
static inline void cr_is_outside(const cr_connection *connection) {
#ifdef DEBUG
  cr_assert(connection->loop->calls == 0);
#else
  (void)connection;
#endif
}

/* life.c: has the transport read or not, as the phase and those who pause and hold it say. */
void cr_connection_update_reading(cr_connection *connection);
/* life.c: goes on with an orderly end as far as it gets while nothing waits. */
void cr_connection_go_on_ending(cr_connection *connection);
static inline void cr_connection_end_in_order(cr_connection *connection) {
  if (connection->phase == CR_FLUSHING || connection->sending == CR_SENDING_FINISHING)
    cr_connection_go_on_ending(connection);
}
/* life.c: gives back what was kept. */
void cr_connection_drop_kept(cr_connection *connection);
/* reading.c: tells the end, behind all that was kept; unless that brings about a pause. */
void cr_connection_tell_end(cr_connection *connection);
/* writing.c: gives the transport what waits, as long as it takes everything; then what is left, by
   one `write`. */
void cr_connection_write_queued(cr_connection *connection);
/* writing.c: hands the head of the queue to the transport, if there is one and no write is under
   way. */
void cr_connection_start_write(cr_connection *connection);
/* writing.c: tells what the state of the queue allows now. Never from within a call of policy. */
void cr_connection_settle(cr_connection *connection);

#endif
