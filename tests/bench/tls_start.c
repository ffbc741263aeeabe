/*
 * Measures how long programs take from posix_spawn to their end, in turn, so that other work of the machine affects
 * all of them alike. Usage: tls_start ROUNDS COMMAND...  where a COMMAND is one argument, its words separated by
 * blanks; words of the form NAME=VALUE before the program are its environment. Prints a line per round with
 * microseconds in the order of the commands.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

enum { COMMANDS_MAX = 8, WORDS_MAX = 16 };

struct command {
    char *words[WORDS_MAX + 1];
    char *environment[WORDS_MAX + 2]; /* what the command adds, and PATH */
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "tls_start: %s\n", what);
    exit(1);
}

/* Splits `text` in place. */
static void command_parse(struct command *command, char *text)
{
    size_t words = 0;
    size_t variables = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (words + variables == WORDS_MAX)
            die("a command has too many words, expected at most 16");
        if (words == 0 && strchr(word, '=') != NULL)
            command->environment[variables++] = word;
        else
            command->words[words++] = word;
    }
    if (words == 0)
        die("a command is empty, expected [NAME=VALUE...] PROGRAM [ARGUMENT...]");
    command->environment[variables] = (char *)"PATH=/usr/bin:/bin";
}

static double microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Microseconds from the spawn to the end of the program, which must succeed. */
static double command_time(const struct command *command)
{
    pid_t child;
    int status;
    double begun = microseconds();
    if (posix_spawn(&child, command->words[0], NULL, NULL, command->words, command->environment) != 0)
        die("a program cannot be started");
    if (waitpid(child, &status, 0) != child)
        die("waitpid failed");
    double ended = microseconds();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("a program failed, expected exit status 0");
    return ended - begun;
}

int main(int argc, char **argv)
{
    static struct command commands[COMMANDS_MAX];
    int count = argc - 2;
    if (count < 1 || count > COMMANDS_MAX)
        die("usage: tls_start ROUNDS COMMAND... (at most 8)");
    for (int i = 0; i < count; i++)
        command_parse(&commands[i], argv[i + 2]);
    long rounds = strtol(argv[1], NULL, 10);
    for (long round = -1; round < rounds; round++) { /* the first fills the caches */
        double times[COMMANDS_MAX];
        for (int i = 0; i < count; i++) {
            int turn = (int)((i + round + 1) % count); /* no command always follows the same one */
            times[turn] = command_time(&commands[turn]);
        }
        for (int i = 0; i < count && round >= 0; i++)
            printf("%.1f%c", times[i], i + 1 < count ? ' ' : '\n');
    }
    return 0;
}
