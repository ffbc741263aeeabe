/*
 * The values of the headers that matter: they are read in parts between their separators, so nothing is stored but
 * the beginning of one part. See http_response.h.
 */
#include "tls/http_response.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *const http_fault_ids[HTTP_FAULT_COUNT] = {
    [HTTP_HSTS_MISSING] = "hsts-missing",
    [HTTP_HSTS_SHORT] = "hsts-short",
    [HTTP_COOKIE_NOT_SECURE] = "cookie-not-secure",
    [HTTP_COOKIE_NOT_HTTPONLY] = "cookie-not-httponly",
    [HTTP_COOKIE_NO_SAMESITE] = "cookie-no-samesite",
    [HTTP_REDIRECT_TO_HTTP] = "redirect-to-http",
    [HTTP_PUBLIC_KEY_PINS] = "public-key-pins",
};

const char *const http_fault_words[HTTP_FAULT_COUNT] = {
    [HTTP_HSTS_MISSING] = "a response has no Strict-Transport-Security with a max-age",
    [HTTP_HSTS_SHORT] = "the max-age of Strict-Transport-Security is below a year (31536000)",
    [HTTP_COOKIE_NOT_SECURE] = "a cookie is set without Secure",
    [HTTP_COOKIE_NOT_HTTPONLY] = "a cookie is set without HttpOnly",
    [HTTP_COOKIE_NO_SAMESITE] = "a cookie is set without SameSite",
    [HTTP_REDIRECT_TO_HTTP] = "a response redirects to http://",
    [HTTP_PUBLIC_KEY_PINS] = "a response has Public-Key-Pins, which is retired",
};

static const struct {
    const char *name;
    enum http_header header;
    char separator; /* of the value's parts; NUL: there is one part */
} headers[] = {
    {"strict-transport-security", HTTP_HSTS, ';'}, /* RFC 6797, section 6.1 */
    {"set-cookie", HTTP_COOKIE, ';'},              /* RFC 6265, section 4.1.1 */
    {"location", HTTP_LOCATION, '\0'},
    {"public-key-pins", HTTP_PINS, '\0'},
    {"public-key-pins-report-only", HTTP_PINS, '\0'},
    {"content-length", HTTP_LENGTH, ','},
    {"transfer-encoding", HTTP_CODING, ','},
};
_Static_assert(sizeof "public-key-pins-report-only" - 1 <= HTTP_NAME_MAX, "the longest name fits");

enum { HEADERS = sizeof headers / sizeof headers[0] };

static void begin_piece(struct http_response *response)
{
    response->piece_length = 0;
    response->piece_is_cut = false;
}

void http_header_begin(struct http_response *response)
{
    response->header = HTTP_OTHER;
    response->pieces = 0;
    begin_piece(response);
    if (response->name_length > HTTP_NAME_MAX)
        return;
    response->name[response->name_length] = '\0';
    for (size_t i = 0; i < HEADERS; i++)
        if (strcmp(headers[i].name, response->name) == 0)
            response->header = headers[i].header;
    if (response->header == HTTP_COOKIE)
        memset(&response->cookie, 0, sizeof response->cookie);
    /* The first of several counts (RFC 6797, section 8.1). */
    if ((response->header == HTTP_HSTS && response->has_hsts) ||
        (response->header == HTTP_LOCATION && response->has_location))
        response->header = HTTP_OTHER;
    response->has_hsts |= response->header == HTTP_HSTS;
    response->has_location |= response->header == HTTP_LOCATION;
}

/* Copies a part of a value; characters that are not printable ASCII become '?'. */
static void copy(char detail[HTTP_DETAIL_MAX], const char *text, size_t length)
{
    const size_t taken = length < HTTP_DETAIL_MAX - 1 ? length : HTTP_DETAIL_MAX - 1;
    for (size_t i = 0; i < taken; i++)
        detail[i] = (char)(text[i] > ' ' && text[i] < 0x7f ? text[i] : '?');
    detail[taken] = '\0';
}

/* The first one of a kind stays. */
static void add_fault(struct http_response *response, enum http_fault fault, const char *detail, size_t length)
{
    if ((response->faults >> fault & 1) != 0)
        return;
    response->faults |= 1U << fault;
    copy(response->details[fault], detail, length);
}

/* Length of a part's name: "max-age" of "Max-Age = 3". */
static size_t name_of(const char *piece, size_t length)
{
    const char *const equals = memchr(piece, '=', length);
    size_t end = equals != NULL ? (size_t)(equals - piece) : length;
    while (end > 0 && (piece[end - 1] == ' ' || piece[end - 1] == '\t'))
        end--;
    return end;
}

static bool is_named(const char *piece, size_t length, const char *name)
{
    return name_of(piece, length) == strlen(name) && strncasecmp(piece, name, strlen(name)) == 0;
}

/* Where the value of a part begins, without blanks and a quote; the part ends with a NUL. */
static const char *value_of(const char *piece, size_t length)
{
    const char *const equals = memchr(piece, '=', length);
    return equals != NULL ? equals + 1 + strspn(equals + 1, " \t\"") : "";
}

/* A number that ends the text, or is followed by a quote. Saturates. False: it is none. */
static bool read_number(const char *text, uint64_t *number)
{
    enum { DIGITS_MAX = 18 };
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits + (text[digits] == '"')] != '\0')
        return false;
    *number = 0;
    for (size_t i = 0; i < digits; i++)
        *number = i < DIGITS_MAX ? *number * 10 + (unsigned)(text[i] - '0') : UINT64_MAX;
    return true;
}

static void add_hsts(struct http_response *response, const char *piece, size_t length)
{
    if (!response->has_max_age && is_named(piece, length, "max-age"))
        response->has_max_age = read_number(value_of(piece, length), &response->max_age);
}

/* A cookie that is deleted needs no attributes: Max-Age of 0 or less, or the date that programs use for that. */
static void add_cookie(struct http_response *response, const char *piece, size_t length)
{
    if (response->pieces == 0) {
        const bool has_name = memchr(piece, '=', length) != NULL || response->piece_is_cut;
        copy(response->cookie.name, piece, has_name ? name_of(piece, length) : 0);
        return;
    }
    const char *const value = value_of(piece, length);
    response->cookie.is_secure |= is_named(piece, length, "secure");
    response->cookie.is_httponly |= is_named(piece, length, "httponly");
    response->cookie.has_samesite |= is_named(piece, length, "samesite");
    if (is_named(piece, length, "max-age"))
        response->cookie.is_deleted |= value[0] == '-' || (value[0] == '0' && value[1] == '\0');
    else if (is_named(piece, length, "expires"))
        response->cookie.is_deleted |= strstr(value, "1970 ") != NULL || strstr(value, "-70 ") != NULL;
}

static void end_cookie(struct http_response *response)
{
    const char *const name = response->cookie.name;
    if (response->cookie.is_deleted || name[0] == '\0')
        return;
    if (!response->cookie.is_secure)
        add_fault(response, HTTP_COOKIE_NOT_SECURE, name, strlen(name));
    if (!response->cookie.is_httponly)
        add_fault(response, HTTP_COOKIE_NOT_HTTPONLY, name, strlen(name));
    if (!response->cookie.has_samesite)
        add_fault(response, HTTP_COOKIE_NO_SAMESITE, name, strlen(name));
}

/* Only the host is kept: a path or a query may hold a secret, and so may what is in front of an '@'. */
static void add_location(struct http_response *response, const char *piece)
{
    static const char scheme[] = "http://";
    const int status = response->status;
    const bool redirects = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    if (!redirects || strncasecmp(piece, scheme, sizeof scheme - 1) != 0)
        return;
    const char *host = piece + sizeof scheme - 1;
    const size_t length = strcspn(host, "/?#\\");
    size_t begin = length;
    while (begin > 0 && host[begin - 1] != '@')
        begin--;
    const bool may_be_secret = begin == 0 && host[length] == '\0' && response->piece_is_cut;
    add_fault(response, HTTP_REDIRECT_TO_HTTP, host + begin, may_be_secret ? 0 : length - begin);
}

/* False: it is no number, or not the one that was there before (RFC 9112, section 6.3). */
static bool add_length(struct http_response *response, const char *piece)
{
    uint64_t length;
    if (piece[strspn(piece, "0123456789")] != '\0' || !read_number(piece, &length) || length >= UINT64_MAX / 2)
        return false;
    const bool is_same = !response->has_length || response->length == length;
    response->has_length = true;
    response->length = length;
    return is_same;
}

/* The last coding frames the body. */
static void add_coding(struct http_response *response, const char *piece)
{
    response->is_chunked = strcasecmp(piece, "chunked") == 0;
    response->has_other_coding = !response->is_chunked;
}

static bool end_piece(struct http_response *response)
{
    unsigned length = response->piece_length;
    bool is_known = true;
    while (length > 0 && (response->piece[length - 1] == ' ' || response->piece[length - 1] == '\t'))
        length--;
    response->piece[length] = '\0';
    switch (response->header) {
    case HTTP_HSTS:
        add_hsts(response, response->piece, length);
        break;
    case HTTP_COOKIE:
        add_cookie(response, response->piece, length);
        break;
    case HTTP_LOCATION:
        add_location(response, response->piece);
        break;
    case HTTP_PINS:
        add_fault(response, HTTP_PUBLIC_KEY_PINS, "", 0);
        break;
    case HTTP_LENGTH:
        is_known = !response->piece_is_cut && add_length(response, response->piece);
        break;
    case HTTP_CODING:
        add_coding(response, response->piece);
        break;
    case HTTP_OTHER:
        break;
    }
    response->pieces += response->pieces < 2;
    begin_piece(response);
    return is_known;
}

void http_header_add(struct http_response *response, char c)
{
    const bool is_blank = c == ' ' || c == '\t';
    if (response->header == HTTP_OTHER || (is_blank && response->piece_length == 0 && !response->piece_is_cut))
        return;
    for (size_t i = 0; i < HEADERS; i++)
        if (headers[i].header == response->header && headers[i].separator == c) {
            if (!end_piece(response))
                response->state = HTTP_LOST;
            return;
        }
    if (response->piece_length < HTTP_PIECE_MAX - 1)
        response->piece[response->piece_length++] = c;
    else
        response->piece_is_cut = true;
}

bool http_header_end(struct http_response *response)
{
    const enum http_header header = response->header;
    const bool is_known = end_piece(response);
    if (header == HTTP_COOKIE)
        end_cookie(response);
    response->header = HTTP_OTHER;
    return is_known;
}

/*
 * Errors may come from a part of the server that knows nothing of the site, and 304 may repeat no headers (RFC
 * 9110, section 15.4.5): Strict-Transport-Security is expected in the other responses only.
 */
void http_header_judge(struct http_response *response)
{
    char text[HTTP_DETAIL_MAX];
    const bool counts = response->status < 400 && response->status != 304;
    if (!counts)
        return;
    if (!response->has_max_age) {
        add_fault(response, HTTP_HSTS_MISSING, "", 0);
    } else if (response->max_age < HTTP_HSTS_SECONDS) {
        const int length = snprintf(text, sizeof text, "%llu", (unsigned long long)response->max_age);
        add_fault(response, HTTP_HSTS_SHORT, text, (size_t)length);
    }
}
