/* The headers of libpfswrap-seal as one module for Swift. */
#include <pfswrap/keys.h>
#include <pfswrap/seal.h>
#include <pfswrap/tunnel.h>
