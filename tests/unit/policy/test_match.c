/* From address to rule: order in the file, direction, prefixes, ports, and IPv4 in its two forms. */
#include "support.h"

#include <arpa/inet.h>

/* The name of the rule that matches, or "none". */
static const char *match(enum policy_direction direction, const char *host, unsigned short port)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
    socklen_t length = sizeof *in;
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
    } else {
        ck_assert_int_eq(inet_pton(AF_INET6, host, &in6->sin6_addr), 1);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        length = sizeof *in6;
    }
    const struct policy_rule *rule = policy_match(&policy, direction, (struct sockaddr *)&storage, length);
    return rule != NULL ? rule->name : "none";
}

START_TEST(the_first_rule_in_file_order_wins)
{
    expect_accepted("[listen narrow]\naddress = 10.1.0.0/16:80\n[listen wide]\naddress = 10.0.0.0/8:*\n"
                    "[listen never]\naddress = 10.1.2.3:80\n");
    ck_assert_str_eq(match(POLICY_LISTEN, "10.1.2.3", 80), "narrow");
    ck_assert_str_eq(match(POLICY_LISTEN, "10.1.2.3", 81), "wide");
    ck_assert_str_eq(match(POLICY_LISTEN, "10.2.0.1", 80), "wide");
    ck_assert_str_eq(match(POLICY_LISTEN, "11.0.0.1", 80), "none");
}
END_TEST

START_TEST(a_rule_applies_to_its_direction_only)
{
    expect_accepted("[listen in]\naddress = 0.0.0.0:1\n[connect out]\naddress = 0.0.0.0:2\n");
    ck_assert_str_eq(match(POLICY_LISTEN, "127.0.0.1", 1), "in");
    ck_assert_str_eq(match(POLICY_CONNECT, "127.0.0.1", 1), "none");
    ck_assert_str_eq(match(POLICY_CONNECT, "127.0.0.1", 2), "out");
    ck_assert_str_eq(match(POLICY_LISTEN, "127.0.0.1", 2), "none");
}
END_TEST

START_TEST(an_ipv4_mapped_address_counts_as_ipv4)
{
    expect_accepted("[connect v4]\naddress = 192.0.2.0/24:443\n");
    ck_assert_str_eq(match(POLICY_CONNECT, "192.0.2.7", 443), "v4");
    ck_assert_str_eq(match(POLICY_CONNECT, "::ffff:192.0.2.7", 443), "v4");
    ck_assert_str_eq(match(POLICY_CONNECT, "::192.0.2.7", 443), "none");
    expect_accepted("[connect mapped]\naddress = [::ffff:192.0.2.7]:443\n");
    ck_assert_str_eq(match(POLICY_CONNECT, "192.0.2.7", 443), "mapped");
}
END_TEST

START_TEST(an_unspecified_address_matches_every_address_of_its_family)
{
    expect_accepted("[listen v4]\naddress = 0.0.0.0:1\n[listen all]\naddress = [::]:1\n");
    ck_assert_str_eq(match(POLICY_LISTEN, "127.0.0.1", 1), "v4");
    ck_assert_str_eq(match(POLICY_LISTEN, "::1", 1), "all");
    expect_accepted("[listen all]\naddress = [::]:1\n");
    ck_assert_str_eq(match(POLICY_LISTEN, "127.0.0.1", 1), "all");
    expect_accepted("[listen one]\naddress = 0.0.0.0/32:1\n");
    ck_assert_str_eq(match(POLICY_LISTEN, "127.0.0.1", 1), "none");
    ck_assert_str_eq(match(POLICY_LISTEN, "0.0.0.0", 1), "one");
}
END_TEST

START_TEST(a_prefix_is_compared_to_the_bit)
{
    expect_accepted("[listen a]\naddress = 10.1.2.192/27:1, [2001:db8:8000::]/33:1\n");
    ck_assert_str_eq(match(POLICY_LISTEN, "10.1.2.191", 1), "none");
    ck_assert_str_eq(match(POLICY_LISTEN, "10.1.2.192", 1), "a");
    ck_assert_str_eq(match(POLICY_LISTEN, "10.1.2.223", 1), "a");
    ck_assert_str_eq(match(POLICY_LISTEN, "10.1.2.224", 1), "none");
    ck_assert_str_eq(match(POLICY_LISTEN, "2001:db8:7fff::1", 1), "none");
    ck_assert_str_eq(match(POLICY_LISTEN, "2001:db8:8000::1", 1), "a");
    ck_assert_str_eq(match(POLICY_LISTEN, "2001:db8:ffff::1", 1), "a");
    ck_assert_str_eq(match(POLICY_LISTEN, "2001:db9::", 1), "none");
}
END_TEST

START_TEST(a_port_range_includes_its_ends)
{
    expect_accepted("[listen a]\naddress = 127.0.0.1:100-200\n");
    ck_assert_str_eq(match(POLICY_LISTEN, "127.0.0.1", 99), "none");
    ck_assert_str_eq(match(POLICY_LISTEN, "127.0.0.1", 100), "a");
    ck_assert_str_eq(match(POLICY_LISTEN, "127.0.0.1", 200), "a");
    ck_assert_str_eq(match(POLICY_LISTEN, "127.0.0.1", 201), "none");
}
END_TEST

START_TEST(an_address_of_another_family_or_cut_short_matches_nothing)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(1)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(1)};
    struct sockaddr other = {.sa_family = AF_UNIX};
    expect_accepted("[listen all]\naddress = [::]:*\n");
    ck_assert_ptr_nonnull(policy_match(&policy, POLICY_LISTEN, (struct sockaddr *)&in, sizeof in));
    ck_assert_ptr_nonnull(policy_match(&policy, POLICY_LISTEN, (struct sockaddr *)&in6, sizeof in6));
    ck_assert_ptr_null(policy_match(&policy, POLICY_LISTEN, (struct sockaddr *)&in, sizeof in - 1));
    ck_assert_ptr_null(policy_match(&policy, POLICY_LISTEN, (struct sockaddr *)&in6, sizeof in));
    ck_assert_ptr_null(policy_match(&policy, POLICY_LISTEN, &other, sizeof other));
    ck_assert_ptr_null(policy_match(&policy, POLICY_LISTEN, &other, 0));
    ck_assert_ptr_null(policy_match(&policy, POLICY_LISTEN, NULL, 0));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("match");
    tcase_add_test(cases, the_first_rule_in_file_order_wins);
    tcase_add_test(cases, a_rule_applies_to_its_direction_only);
    tcase_add_test(cases, an_ipv4_mapped_address_counts_as_ipv4);
    tcase_add_test(cases, an_unspecified_address_matches_every_address_of_its_family);
    tcase_add_test(cases, a_prefix_is_compared_to_the_bit);
    tcase_add_test(cases, a_port_range_includes_its_ends);
    tcase_add_test(cases, an_address_of_another_family_or_cut_short_matches_nothing);
    return run_suite(cases, "policy match");
}
