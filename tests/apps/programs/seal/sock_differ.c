/*
 * Random calls on connected sockets, and what each of them returned: sock_differ SEED PORT [ADDRESS [STEPS
 * [quiet]]]. It prints the same for the same seed, bare and sealed; otherwise there is a difference that a program
 * could see. "quiet" leaves out the stories, whose processes and signals valgrind cannot follow.
 */
#include "../lib/differ.h"
#include "../lib/differ_data.h"
#include "../lib/differ_state.h"
#include "../lib/differ_stories.h"
#include "../lib/differ_waits.h"
#include "../lib/differ_wrong.h"

static void count_pipe_signal(int number)
{
    (void)number;
    atomic_fetch_add(&differ_pipe_signals, 1);
}

static void step_pair(struct pair *pair, unsigned which)
{
    struct end *end = &pair->ends[which];
    const unsigned choice = random_below(100);
    if (choice < 30)
        send_some_way(pair, which);
    else if (choice < 62)
        receive_some_way(pair, which);
    else if (choice < 74)
        ask_readiness(pair, which);
    else if (choice < 80)
        change_option(end->fd);
    else if (choice < 84)
        change_mode(end);
    else if (choice < 88)
        duplicate(end);
    else if (choice < 90)
        ask_names(pair, which);
    else if (choice < 91)
        ask_special_options(end->fd);
    else if (choice < 93)
        call_wrongly(end);
    else if (choice < 95)
        point_wrongly(pair, which);
    else if (choice < 96)
        ask_nature(pair, which);
    else if (choice < 97)
        connect_wrongly(pair, which);
    else if (choice < 99)
        shut(pair, which);
    else
        pair_renew(pair);
}

/* A seed chooses a story by its index here. */
static void (*const stories[])(void) = {
    story_call_closed,
    story_use_unconnected,
    story_connect_refused,
    story_disconnect,
    story_reset,
    story_accept_without_room,
    story_close_in_order,
    story_transfer_both_ways,
    story_execute,
    story_pass_on,
    story_interrupt,
    story_time_out,
    story_cancel,
    story_shut_under_waiter,
    story_print,
    story_connect_fast,
    story_connect_by_many_paths,
    story_connect_without_waiting,
    story_send_before_accept,
    story_be_signalled,
};

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s SEED PORT [ADDRESS [STEPS [quiet]]]\n", argv[0]);
        return 64;
    }
    if (strcmp(argv[1], "story") == 0)
        return stories_in_another_program(argc, argv);
    differ_state = strtoull(argv[1], NULL, 10);
    differ_target = sock_target_parse(argc > 3 ? argv[3] : "127.0.0.1", argv[2]);
    stories_program = argv[0];
    const long steps = argc > 4 ? strtol(argv[4], NULL, 10) : 400;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)signal(SIGPIPE, count_pipe_signal);
    state_begin();
    for (int i = 0; i < PAIRS; i++)
        pair_open(&differ_pairs[i]);
    for (long i = 0; i < steps; i++) {
        const unsigned number = random_below(PAIRS), which = random_below(2);
        if (random_chance(argc > 5 ? 0 : 6)) {
            const unsigned story = random_below(sizeof stories / sizeof stories[0]);
            (void)printf("%ld story %u\n", i, story);
            stories[story]();
        } else {
            (void)printf("%ld %u.%u ", i, number, which);
            step_pair(&differ_pairs[number], which);
        }
    }
    for (int i = 0; i < PAIRS; i++)
        two_close(differ_pairs[i].ends[0].fd, differ_pairs[i].ends[1].fd);
    (void)printf("ok\n");
    return 0;
}
