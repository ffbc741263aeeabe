/*
 * The rest of the shim, as test_numbers has it: every function here does the least that the sources under test need
 * (mk/check.mk, MODEL_SRC). A connection's handshake is one step, and ends as its peer decides. A scenario sets
 * these variables.
 */
#ifndef PFSWRAP_TESTS_MODEL_STUBS_H
#define PFSWRAP_TESTS_MODEL_STUBS_H

#include <stdbool.h>

#include "fd/plane.h"
#include "model/model.h"
#include "policy/policy.h"

extern struct policy model_policy;

/* Closing a number with outstanding bytes takes two calls: at the first one, they are still on their way. */
extern int model_outstanding[MODEL_NUMBERS];

/* The limit of descriptors is reached: no number is free for a duplicate. */
extern bool model_is_full;

/*
 * A thread of the scenario does the background thread's work, which is model_finish_all(). Otherwise
 * background_add() does it.
 */
extern bool model_has_background;
void model_finish_all(void);

/* A plane that has records, and copies them. It is the second one of `planes`. */
extern const struct plane model_recording;

#endif
