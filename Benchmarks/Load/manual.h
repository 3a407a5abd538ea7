#ifndef LOAD_MANUAL_H
#define LOAD_MANUAL_H

/* What --help prints. */
extern const char manual[];

#endif
