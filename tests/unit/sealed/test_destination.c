/*
 * Addresses of connect(2): what is read of them, and which rule seals a connection to them.
 */
#include "../suite.h"
#include "../connection/link.h"

#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "sealed/destination.h"

static char directory[] = "/tmp/pfswrap-destination-XXXXXX";

static struct sockaddr_in ipv4(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(443)};
    ck_assert_int_eq(inet_pton(AF_INET, text, &address.sin_addr), 1);
    return address;
}

/* An address that ends where readable memory does. */
static struct sockaddr *at_the_end(const void *bytes, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(pages, MAP_FAILED);
    ck_assert_int_eq(mprotect(pages + page, page, PROT_NONE), 0);
    memcpy(pages + page - size, bytes, size);
    return (void *)(pages + page - size);
}

START_TEST(ipv4_and_ipv6_addresses_are_copied)
{
    struct sockaddr_in6 copy, in6 = {.sin6_family = AF_INET6, .sin6_port = 1, .sin6_scope_id = 7};
    const struct sockaddr_in in = ipv4("192.0.2.1");
    ck_assert(destination_copy(&copy, (const struct sockaddr *)&in, sizeof in));
    ck_assert_mem_eq(&copy, &in, sizeof in);
    ck_assert(destination_copy(&copy, (const struct sockaddr *)&in6, sizeof in6));
    ck_assert_mem_eq(&copy, &in6, sizeof in6);
}
END_TEST

START_TEST(no_more_than_the_length_is_read)
{
    struct sockaddr_in6 copy;
    const struct sockaddr_in in = ipv4("192.0.2.1");
    const struct sockaddr *address = at_the_end(&in, sizeof in);
    ck_assert(destination_copy(&copy, address, sizeof in));
    ck_assert_mem_eq(&copy, &in, sizeof in);
    ck_assert_uint_eq(copy.sin6_scope_id, 0);
}
END_TEST

START_TEST(other_families_and_short_addresses_are_no_destination)
{
    struct sockaddr_in6 copy;
    const struct sockaddr_un local = {.sun_family = AF_UNIX};
    const struct sockaddr_in in = ipv4("192.0.2.1"), none = {.sin_family = AF_UNSPEC};
    ck_assert(!destination_copy(&copy, (const struct sockaddr *)&local, sizeof local));
    ck_assert(!destination_copy(&copy, (const struct sockaddr *)&none, sizeof none));
    ck_assert(!destination_copy(&copy, (const struct sockaddr *)&in, sizeof in - 1));
    ck_assert(!destination_copy(&copy, (const struct sockaddr *)&in, 0));
}
END_TEST

START_TEST(an_invalid_pointer_is_left_to_the_kernel)
{
    struct sockaddr_in6 copy;
    const struct sockaddr_in in = ipv4("192.0.2.1");
    const struct sockaddr *end = (const void *)((const char *)at_the_end(&in, sizeof in) + sizeof in);
    ck_assert(!destination_copy(&copy, NULL, sizeof in));
    ck_assert(!destination_copy(&copy, end, sizeof in));
    ck_assert(!destination_disconnects(NULL, sizeof in));
    ck_assert(!destination_disconnects(end, sizeof in));
}
END_TEST

START_TEST(only_af_unspec_disconnects)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    const struct sockaddr_in in = ipv4("192.0.2.1");
    const struct sockaddr *family = at_the_end(&none.sa_family, sizeof none.sa_family);
    ck_assert(destination_disconnects(&none, sizeof none));
    ck_assert(destination_disconnects(family, sizeof none.sa_family));
    ck_assert(!destination_disconnects(&none, 1));
    ck_assert(!destination_disconnects((const struct sockaddr *)&in, sizeof in));
}
END_TEST

START_TEST(a_connection_is_sealed_where_a_rule_says_so)
{
    const struct policy_rule *rule = NULL;
    const struct sockaddr_in sealed = ipv4("127.0.0.1"), plain = ipv4("127.0.0.3");
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(destination_rule(fd, (const struct sockaddr *)&sealed, sizeof sealed, &rule), RULE_FOUND);
    ck_assert_str_eq(rule->name, "c");
    ck_assert_int_eq(destination_rule(fd, (const struct sockaddr *)&plain, sizeof plain, &rule), RULE_NONE);
    ck_assert_int_eq(destination_rule(fd, &none, sizeof none, &rule), RULE_NONE);
    ck_assert_int_eq(destination_rule(fd, NULL, sizeof sealed, &rule), RULE_NONE);
}
END_TEST

START_TEST(a_rule_for_accepted_connections_does_not_seal_the_programs_own)
{
    const struct policy_rule *rule;
    const struct sockaddr_in listened = ipv4("127.0.0.2"); /* [listen p] */
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(destination_rule(fd, (const struct sockaddr *)&listened, sizeof listened, &rule), RULE_NONE);
}
END_TEST

static void start(void)
{
    link_start_policy(directory);
}

static void end(void)
{
    link_end_policy(directory);
}

int main(void)
{
    TCase *cases = tcase_create("destination");
    tcase_add_checked_fixture(cases, start, end);
    tcase_add_test(cases, ipv4_and_ipv6_addresses_are_copied);
    tcase_add_test(cases, no_more_than_the_length_is_read);
    tcase_add_test(cases, other_families_and_short_addresses_are_no_destination);
    tcase_add_test(cases, an_invalid_pointer_is_left_to_the_kernel);
    tcase_add_test(cases, only_af_unspec_disconnects);
    tcase_add_test(cases, a_connection_is_sealed_where_a_rule_says_so);
    tcase_add_test(cases, a_rule_for_accepted_connections_does_not_seal_the_programs_own);
    return run_suite(cases, "destination");
}
