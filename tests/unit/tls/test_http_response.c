/* What is found in the responses of HTTP servers, whole and byte by byte, and what never is. */
#include "../suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/http_response.h"

#define HSTS "Strict-Transport-Security: max-age=31536000\r\n"
#define NONE "Content-Length: 0\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\n"
#define GOOD OK HSTS NONE

static char log_text[4096];

static void found(void *context, enum http_fault fault, const char *detail)
{
    const size_t used = strlen(log_text);
    (void)context;
    (void)snprintf(log_text + used, sizeof log_text - used, "%s%s%s\n", http_fault_ids[fault],
                   detail[0] != '\0' ? " " : "", detail);
}

/* Reads the text in pieces of `size` bytes, each in memory of its own length, so that a sanitizer sees its ends. */
static enum http_state read_pieces(const char *text, size_t length, size_t size)
{
    struct http_response response = {0};
    log_text[0] = '\0';
    for (size_t at = 0; at < length; at += size) {
        const size_t taken = length - at < size ? length - at : size;
        char *const piece = malloc(taken);
        if (piece == NULL)
            abort();
        memcpy(piece, text + at, taken);
        http_response_read(&response, piece, taken, found, NULL);
        free(piece);
    }
    return response.state;
}

static void expect_state(const char *text, enum http_state state, const char *expected)
{
    bool is_same = true; /* an assertion for each size would take seconds */
    for (size_t size = 1; size <= strlen(text) && is_same; size++)
        is_same = read_pieces(text, strlen(text), size) == state && strcmp(log_text, expected) == 0;
    ck_assert_msg(is_same, "%s\nfound: %s", text, log_text);
}

/* The text is responses to their ends, with these findings. */
static void expect(const char *text, const char *expected)
{
    expect_state(text, HTTP_STATUS, expected);
}

/* The rest of the connection is not looked at, and nothing is found. */
static void expect_lost(const char *text)
{
    expect_state(text, HTTP_LOST, "");
}

START_TEST(a_response_with_everything_is_right)
{
    expect(GOOD, "");
    expect(OK "strict-transport-SECURITY:max-age=\"63072000\" ; includeSubDomains; preload\r\n"
              "Set-Cookie: id=secret; Path=/; secure; HttpOnly ;samesite=Lax\r\nContent-Length: 3\r\n\r\nabc" GOOD,
           "");
    expect("HTTP/1.0 200\n" HSTS "Content-Length: 1\n\nx", "");
}
END_TEST

START_TEST(each_fault_is_found)
{
    expect(OK NONE, "hsts-missing\n");
    expect(OK "Strict-Transport-Security: includeSubDomains\r\n" NONE, "hsts-missing\n");
    expect(OK "Strict-Transport-Security: max-age=1x\r\n" NONE, "hsts-missing\n");
    expect(OK "Strict-Transport-Security: max-age=31535999\r\n" NONE, "hsts-short 31535999\n");
    expect(OK "Strict-Transport-Security: max-age=0\r\n" HSTS NONE, "hsts-short 0\n");
    expect(OK HSTS "Set-Cookie: sid=secret; SameSite=None; HttpOnly\r\n" NONE, "cookie-not-secure sid\n");
    expect(OK HSTS "Set-Cookie: sid=secure; Secure; SameSite=Lax\r\n" NONE, "cookie-not-httponly sid\n");
    expect(OK HSTS "Set-Cookie: sid=samesite=x; Secure; HttpOnly\r\n" NONE, "cookie-no-samesite sid\n");
    expect("HTTP/1.1 301 Moved\r\n" HSTS "Location: http://www.example.org:80/a?secret\r\n" NONE,
           "redirect-to-http www.example.org:80\n");
    expect("HTTP/1.1 308 Moved\r\n" HSTS "Location:   HTTP://user:password@example.org\r\n" NONE,
           "redirect-to-http example.org\n");
    expect(OK HSTS "Public-Key-Pins: pin-sha256=\"x\"\r\n" NONE, "public-key-pins\n");
    expect("HTTP/1.1 302 F\r\nlocation: http://a/\r\nset-cookie: a=1\r\npublic-key-pins-report-only: x\r\n" NONE,
           "hsts-missing\ncookie-not-secure a\ncookie-not-httponly a\ncookie-no-samesite a\nredirect-to-http a\n"
           "public-key-pins\n");
}
END_TEST

START_TEST(what_is_no_fault_is_not_found)
{
    expect("HTTP/1.1 404 Not Found\r\n" NONE, "");
    expect("HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n" GOOD, "");
    expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\n" GOOD, "");
    expect("HTTP/1.1 301 Moved\r\n" HSTS "Location: https://a/http://b/\r\n" NONE, "");
    expect("HTTP/1.1 201 Created\r\n" HSTS "Location: http://a/\r\n" NONE, "");
    expect(OK HSTS "Set-Cookie: a=; Max-Age=0\r\nSet-Cookie: b=; expires=Thu, 01-Jan-1970 00:00:01 GMT\r\n" NONE,
           "");
    expect(OK HSTS "Set-Cookie: no name; and no equals sign in front\r\nX-Set-Cookie: a=1\r\n" NONE, "");
    expect("HTTP/1.1 204 No Content\r\n" HSTS "\r\n" GOOD, "");
}
END_TEST

START_TEST(long_values_do_not_hide_what_is_behind_them)
{
    char text[9000], value[8000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    (void)snprintf(text, sizeof text, OK HSTS "Set-Cookie: sid=%s; Secure; HttpOnly\r\n" NONE, value);
    ck_assert_int_eq(read_pieces(text, strlen(text), 7), HTTP_STATUS);
    ck_assert_str_eq(log_text, "cookie-no-samesite sid\n");
    (void)snprintf(text, sizeof text, OK HSTS "%s: x\r\nSet-Cookie: %s=1; Secure; HttpOnly\r\n" NONE, value, "b");
    ck_assert_int_eq(read_pieces(text, strlen(text), sizeof text), HTTP_STATUS);
    ck_assert_str_eq(log_text, "cookie-no-samesite b\n");
    (void)snprintf(text, sizeof text, "HTTP/1.1 301 M\r\n" HSTS "Location: http://u:%s@a/\r\n" NONE, value);
    ck_assert_int_eq(read_pieces(text, strlen(text), sizeof text), HTTP_STATUS);
    ck_assert_str_eq(log_text, "redirect-to-http\n");
}
END_TEST

START_TEST(a_body_that_looks_like_headers_is_none)
{
    static const char body[] = "\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n";
    char text[1024];
    (void)snprintf(text, sizeof text, OK HSTS "Content-Length: %zu\r\n\r\n%s" GOOD, sizeof body - 1, body);
    expect(text, "");
    (void)snprintf(text, sizeof text,
                   OK HSTS
                   "Transfer-Encoding: gzip, Chunked\r\nContent-Length: 1\r\n\r\n%zx;a=b\r\n%s\r\n2\r\nok\r\n"
                   "00\r\nSet-Cookie: c=d\r\n\r\n" GOOD,
                   sizeof body - 1, body);
    expect(text, "");
    expect_lost(OK HSTS "Connection: close\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    /* a response to HEAD, or a body that begins like a response */
    expect_lost(OK HSTS "Content-Length: 100\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect_lost(OK HSTS "Content-Length: 3\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect_lost(OK HSTS "Transfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}
END_TEST

START_TEST(what_cannot_be_followed_ends_it_without_a_finding)
{
    static const char *const texts[] = {
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 2OO OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n" OK NONE,
        OK "Set-Cookie: a=b\r\n ; Secure; HttpOnly; SameSite=Lax\r\n" NONE,
        OK "Set-Cookie : a=b\r\n" NONE,
        OK "no colon\r\n" NONE,
        OK ": no name\r\n" NONE,
        OK "a: b\rc\r\n" NONE,
        OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        OK "Content-Length: 1, 2\r\n\r\nxx",
        OK "Content-Length: -1\r\n\r\n",
        OK "Content-Length: 99999999999999999999\r\n\r\n",
        "220 mail.example.org ESMTP\r\n",
        "\r\n" OK NONE,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_lost(texts[i]);
    expect_lost(OK HSTS "Transfer-Encoding: chunked\r\n\r\n1000000000000000\r\n");
    expect_lost(OK HSTS "Transfer-Encoding: chunked\r\n\r\n1\r\nxx" OK NONE);
    expect_lost(OK HSTS "Transfer-Encoding: gzip\r\n\r\n" OK NONE);
    ck_assert_int_eq(read_pieces("HTTP/1.1 200 OK\r\na: \0\r\n\r\n", 26, 26), HTTP_LOST);
}
END_TEST

START_TEST(bytes_of_a_file_are_part_of_a_body_only)
{
    static const char head[] = OK HSTS "Content-Length: 300\r\n\r\n";
    struct http_response response = {0};
    http_response_read(&response, head, sizeof head - 1, found, NULL);
    http_response_skip(&response, 200);
    http_response_skip(&response, 0);
    ck_assert_int_eq(response.state, HTTP_BODY);
    http_response_skip(&response, 100);
    ck_assert_int_eq(response.state, HTTP_STATUS);
    http_response_skip(&response, 1);
    ck_assert_int_eq(response.state, HTTP_LOST);
    memset(&response, 0, sizeof response);
    http_response_read(&response, head, sizeof head - 1, found, NULL);
    http_response_skip(&response, 301);
    ck_assert_int_eq(response.state, HTTP_LOST);
}
END_TEST

/* Mutations of good responses, whole and byte by byte: the same findings, and no more than a response can have. */
START_TEST(hostile_bytes_give_the_same_findings_in_any_pieces)
{
    static const char seed[] = OK HSTS
        "Set-Cookie: a=b; Secure; HttpOnly; SameSite=Lax\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nabcde\r\n0\r\n\r\nHTTP/1.1 301 Moved\r\nLocation: http://a/\r\nContent-Length: 2\r\n\r\nxy" GOOD;
    static const char bytes[] = "\r\n:;,= \t\"@/\0\x80\xff"
                                "HTTP/1.1 2003045abcdefxyz-";
    unsigned state = 1;
    bool is_same = true;
    for (int round = 0; round < 20000 && is_same; round++) {
        char text[sizeof seed], whole[sizeof log_text];
        memcpy(text, seed, sizeof seed);
        for (unsigned i = 0; i <= (unsigned)round % 8; i++) {
            state = state * 1103515245 + 12345;
            text[(state >> 8) % (sizeof seed - 1)] = bytes[(state >> 20) % (sizeof bytes - 1)];
        }
        const enum http_state end = read_pieces(text, sizeof seed - 1, sizeof seed);
        memcpy(whole, log_text, sizeof whole);
        is_same = read_pieces(text, sizeof seed - 1, 1 + state % 3) == end && strcmp(log_text, whole) == 0;
    }
    ck_assert(is_same);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("http_response");
    tcase_add_test(cases, a_response_with_everything_is_right);
    tcase_add_test(cases, each_fault_is_found);
    tcase_add_test(cases, what_is_no_fault_is_not_found);
    tcase_add_test(cases, long_values_do_not_hide_what_is_behind_them);
    tcase_add_test(cases, a_body_that_looks_like_headers_is_none);
    tcase_add_test(cases, what_cannot_be_followed_ends_it_without_a_finding);
    tcase_add_test(cases, bytes_of_a_file_are_part_of_a_body_only);
    tcase_add_test(cases, hostile_bytes_give_the_same_findings_in_any_pieces);
    return run_suite(cases, "http_response");
}
