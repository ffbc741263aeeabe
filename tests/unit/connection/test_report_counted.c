/*
 * Lines that would repeat are counted: the first one is written, the others are summed up, and no count is lost,
 * also if children of the process cause them.
 */
#include "../suite.h"

#include <sys/wait.h>

#include "connection/report_counted.h"
#include "link.h"

static char directory[] = "/tmp/pfswrap-counted-XXXXXX";

static void setup(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    link_start_policy(directory);
}

static void teardown(void)
{
    link_end_policy(directory);
}

/* What the log says: lines with and without a count, and the sum of the counts. */
struct told {
    unsigned lines, counted_lines;
    unsigned long sum;
};

static struct told told(const char *event)
{
    struct told result = {0};
    char *log = link_read_log(directory), *rest = NULL;
    for (char *line = strtok_r(log, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        const char *count = strstr(line, "\"count\":");
        if (strstr(line, event) == NULL)
            continue;
        result.lines += count == NULL;
        result.counted_lines += count != NULL;
        result.sum += count != NULL ? strtoul(count + strlen("\"count\":"), NULL, 10) : 1;
    }
    free(log);
    return result;
}

static void expect(const char *event, unsigned lines, unsigned counted_lines, unsigned long sum)
{
    const struct told now = told(event);
    ck_assert_uint_eq(now.lines, lines);
    ck_assert_uint_eq(now.counted_lines, counted_lines);
    ck_assert_uint_eq(now.sum, sum);
}

static const char left[] = "\"event\":\"left\"", refused[] = "\"event\":\"refused\"";

static void leave(int fd, unsigned times)
{
    struct endpoint *endpoint;
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(fd, &endpoint, &connection), ENDPOINT_ENTERED);
    for (unsigned i = 0; i < times; i++)
        connection_report_left(connection);
    endpoint_leave(connection);
}

START_TEST(the_first_line_is_written_and_the_others_are_summed_up_at_the_end)
{
    const struct link link = link_open(65536);
    leave(link.client, 5);
    leave(link.server, 3); /* of another rule */
    expect(left, 2, 0, 2);
    counted_write_all();
    expect(left, 2, 2, 8);
    counted_write_all();
    expect(left, 2, 2, 8);
}
END_TEST

START_TEST(each_reason_is_counted_by_itself)
{
    for (int i = 0; i < 4; i++) {
        connection_report_lost(connection_lost_reasons[CONNECTION_LOST_POLICY]);
        connection_report_lost(connection_lost_reasons[CONNECTION_LOST_NUMBERS]);
        connection_report_lost("something else, which is never counted");
    }
    expect(refused, 6, 0, 6);
    counted_write_all();
    expect(refused, 6, 2, 12);
    expect("another policy", 1, 1, 4);
}
END_TEST

START_TEST(after_a_minute_the_count_is_written_before_the_next_line)
{
    const struct link link = link_open(65536);
    leave(link.client, 4);
    expect(left, 1, 0, 1);
    counted_interval_ms = 0; /* the minute is over */
    leave(link.client, 1);
    expect(left, 2, 1, 5);
    counted_interval_ms = 60000;
    leave(link.client, 2);
    counted_interval_ms = 0;
    counted_write_due(); /* as each event of a connection does */
    expect(left, 2, 2, 7);
}
END_TEST

START_TEST(children_count_with_their_parent_which_writes_the_sum)
{
    enum { CHILDREN = 20, TIMES = 3 };
    const struct link link = link_open(65536);
    for (int i = 0; i < CHILDREN; i++) {
        const pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            leave(link.client, TIMES);
            counted_write_all(); /* its parent is there */
            _exit(0);
        }
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    }
    expect(left, 1, 0, 1);
    leave(link.client, 1);
    counted_write_all();
    expect(left, 1, 1, CHILDREN * TIMES + 1);
}
END_TEST

/* As a daemon does whose parent has ended. */
START_TEST(a_child_without_its_parent_writes_the_sum_itself)
{
    const struct link link = link_open(65536);
    int end[2];
    char byte;
    ck_assert_int_eq(pipe(end), 0);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const pid_t self = getpid();
        if (fork() == 0) {
            while (getppid() == self)
                (void)poll(NULL, 0, 1);
            leave(link.client, 6);
            counted_write_all();
        }
        _exit(0);
    }
    ck_assert_int_eq(close(end[1]), 0);
    ck_assert_int_eq(read(end[0], &byte, 1), 0); /* all children have ended */
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    expect(left, 1, 1, 6);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("report_counted");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, the_first_line_is_written_and_the_others_are_summed_up_at_the_end);
    tcase_add_test(cases, each_reason_is_counted_by_itself);
    tcase_add_test(cases, after_a_minute_the_count_is_written_before_the_next_line);
    tcase_add_test(cases, children_count_with_their_parent_which_writes_the_sum);
    tcase_add_test(cases, a_child_without_its_parent_writes_the_sum_itself);
    return run_suite(cases, "report_counted");
}
