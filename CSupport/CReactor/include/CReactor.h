#ifndef CREACTOR_H
#define CREACTOR_H

#include "creactor/attempts.h"
#include "creactor/connection.h"
#include "creactor/error.h"
#include "creactor/frame.h"
#include "creactor/handover.h"
#include "creactor/handover_stream.h"
#include "creactor/http.h"
#include "creactor/listener.h"
#include "creactor/loop.h"
#include "creactor/mailbox.h"
#include "creactor/memory.h"
#include "creactor/names.h"
#include "creactor/phase.h"
#include "creactor/process.h"
#include "creactor/system.h"
#include "creactor/tls.h"
#include "creactor/websocket.h"

#endif
