#include <stdlib.h>

#include "connection/transport_memory.h"
#include "listener/admission.h"
#include "listener/preface.h"

cr_memory_peer *cr_memory_accept(cr_loop *loop, cr_listener *listener,
                                 const cr_fault_plan *faults) {
  static const uint8_t loopback[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
  (void)loop;
  cr_connection *connection = cr_listener_admit(listener, loopback);
  if (!connection) return NULL;
  cr_memory_peer *peer = cr_memory_attach(connection, faults);
  if (!peer || !cr_listener_secure(connection, &cr_transport_memory)) {
    free(peer);
    cr_listener_forget(connection);
    cr_connection_untake(connection);
    return NULL;
  }
  connection->transport->connected(connection, 0);
  return peer;
}
