#ifndef CWIRE_H
#define CWIRE_H

#include "cwire/span.h"
#include "cwire/status.h"

#endif
