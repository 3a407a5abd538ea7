#include "cwire/span.h"
