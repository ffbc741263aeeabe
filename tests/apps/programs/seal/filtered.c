/*
 * Executes a program behind a system call filter, as a service manager does:
 *
 *     filtered deny|allow ACTION NUMBERS PROGRAM [ARGUMENT...]
 *
 * `deny`: the system calls with these numbers get the action, and all others are allowed. `allow`: the other way
 * round. ACTION is `kill`, or the number of the errno that the calls return. NUMBERS are separated by commas.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { CODE_MAX = 2048, FIRST_ARGUMENT = 4 };

int main(int argc, char **argv)
{
    static struct sock_filter code[CODE_MAX];
    unsigned short count = 0;
    if (argc <= FIRST_ARGUMENT)
        return 2;
    const unsigned action =
        strcmp(argv[2], "kill") == 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | (unsigned)atoi(argv[2]);
    const bool allow = strcmp(argv[1], "allow") == 0;
    code[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    char *rest = NULL;
    for (char *word = strtok_r(argv[3], ",", &rest); word != NULL && count < CODE_MAX - 3;
         word = strtok_r(NULL, ",", &rest)) {
        code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(word), 0, 1);
        code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, allow ? SECCOMP_RET_ALLOW : action);
    }
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, allow ? action : SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = count, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("filtered: seccomp");
        return 2;
    }
    (void)execvp(argv[FIRST_ARGUMENT], argv + FIRST_ARGUMENT);
    perror("filtered: exec");
    return 2;
}
