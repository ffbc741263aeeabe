#ifndef PFSWRAP_TESTS_DIFFER_STORIES_H
#define PFSWRAP_TESTS_DIFFER_STORIES_H
#include "differ.h"
static const char *stories_program;
static int stories_in_another_program(int argc, char **argv) { (void)argc; (void)argv; return 0; }
#define STORIES call_closed
#endif
