#ifndef CWIRE_STATUS_H
#define CWIRE_STATUS_H

/* What every codec answers: 0 done, positive needs more input, negative an error of that codec. */
typedef enum cwire_status {
  CWIRE_OK = 0,
  CWIRE_MORE = 1,
} cwire_status;

#endif
