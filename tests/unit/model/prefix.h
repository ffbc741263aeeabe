/*
 * Included before everything in the sources of the shim that the model runs: their interposed functions get other
 * names, so that the test program does not interpose its own libc.
 */
#ifndef PFSWRAP_TESTS_MODEL_PREFIX_H
#define PFSWRAP_TESTS_MODEL_PREFIX_H

#define connect model_connect
#define __connect model___connect
#define close model_close
#define __close model___close
#define close_range model_close_range
#define closefrom model_closefrom
#define shutdown model_shutdown
#define dup model_dup
#define dup2 model_dup2
#define __dup2 model___dup2
#define dup3 model_dup3
#define fcntl model_fcntl
#define fcntl64 model_fcntl64
#define __fcntl model___fcntl
#define __libc_fcntl64 model___libc_fcntl64
#define ioctl model_ioctl

#endif
