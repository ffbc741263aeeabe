/* The key commands with a main() of their own, so that their tests need no other part of the tool. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../../tools/commands.h"

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "genkey") == 0)
        return command_genkey(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "pubkey") == 0)
        return command_pubkey(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "genpsk") == 0)
        return command_genpsk(argc - 1, argv + 1);
    fputs("usage: seal_keys genkey | pubkey | genpsk\n", stderr);
    return EXIT_FAILURE;
}
