#ifndef CWIRE_H
#define CWIRE_H

#include "cwire/http1.h"
#include "cwire/http1_body.h"
#include "cwire/http1_writer.h"
#include "cwire/span.h"
#include "cwire/status.h"
#include "cwire/writer.h"

#endif
