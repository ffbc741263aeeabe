/*
 * Children of every kind, made and waited for: by fork, _Fork, vfork, clone by number and posix_spawn. They exit,
 * close what they have inherited, or execute. For sock_fork_storm.
 */
#ifndef PFSWRAP_TESTS_CHILDREN_H
#define PFSWRAP_TESTS_CHILDREN_H

/* Makes a child in one of eight ways, which does one of sixteen things. Any numbers will do. */
void children_make(unsigned way, unsigned then);

/* One way to make children, and what they do. */
struct children_choice {
    const char *fork;    /* fork, vfork, clone or spawn; NULL: no way is chosen */
    const char *then;    /* close, exec or exit */
    const char *program; /* what they execute */
};
void children_make_chosen(const struct children_choice *chosen);

#endif
