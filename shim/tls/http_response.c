/*
 * The state machine: status line, headers, bodies, chunks. See http_response.h; http_header.c has the values.
 */
#include "tls/http_response.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether the beginning of a status line goes on: "HTTP/1.1 200" and then a blank, CR or LF (RFC 9112, section 4).
 */
static bool status_goes_on(const struct http_response *response, char c)
{
    static const char begin[] = "HTTP/1.# ###";
    if (response->matched == sizeof begin - 1)
        return c == ' ' || c == '\r' || c == '\n';
    const char expected = begin[response->matched];
    return expected == '#' ? is_digit(c) : c == expected;
}

static void begin_response(struct http_response *response)
{
    memset(response, 0, sizeof *response);
}

/* After a line feed within the headers. */
static void begin_line(struct http_response *response)
{
    response->state = HTTP_LINE;
    response->has_cr = false;
}

static void read_status(struct http_response *response, char c)
{
    enum { CODE = 9, CODE_END = 12 };
    if (!status_goes_on(response, c)) {
        response->state = HTTP_LOST;
        return;
    }
    if (response->matched >= CODE && response->matched < CODE_END)
        response->status = response->status * 10 + (c - '0');
    if (response->matched++ < CODE_END)
        return;
    response->state = HTTP_STATUS_REST;
    response->has_cr = c == '\r';
    if (c == '\n')
        begin_line(response);
}

/* The reason phrase, which says nothing. */
static void read_status_rest(struct http_response *response, char c)
{
    if (c == '\n')
        begin_line(response);
    else if (response->has_cr || c == '\0')
        response->state = HTTP_LOST;
    else
        response->has_cr = c == '\r';
}

/* Chooses how the body ends (RFC 9112, section 6.3). */
static void begin_body(struct http_response *response)
{
    const int status = response->status;
    const bool has_none = (status >= 100 && status < 200) || status == 204 || status == 304;
    const bool is_empty = response->has_length && response->length == 0;
    const bool is_framed = response->is_chunked || (response->has_length && !response->has_other_coding);
    if (status == 101 || status < 100 || (!has_none && !is_framed))
        response->state = HTTP_LOST; /* another protocol; or the body ends with the connection */
    else if (has_none || (is_empty && !response->is_chunked))
        begin_response(response);
    else
        response->state = response->is_chunked ? HTTP_CHUNK_SIZE : HTTP_BODY;
    response->matched = 0;
    response->left = response->state == HTTP_BODY ? response->length : 0;
}

static void end_headers(struct http_response *response, http_fault_found *found, void *context)
{
    const int status = response->status;
    if (status >= 200) { /* what is before the final response has no headers of its own */
        http_header_judge(response);
        for (unsigned i = 0; i < HTTP_FAULT_COUNT; i++)
            if ((response->faults >> i & 1) != 0)
                found(context, (enum http_fault)i, response->details[i]);
    }
    begin_body(response);
}

/* The first character of a line: only now it is known that the line before was complete. */
static void read_line_begin(struct http_response *response, char c)
{
    const bool is_continued = c == ' ' || c == '\t'; /* obs-fold: not allowed any more (RFC 9112, section 5.2) */
    if (is_continued || c == ':' || c == '\0' || !http_header_end(response)) {
        response->state = HTTP_LOST;
        return;
    }
    if (c == '\r') {
        response->state = HTTP_HEADERS_END;
        return;
    }
    response->state = HTTP_NAME;
    response->name_length = 0;
}

static void read_name(struct http_response *response, char c)
{
    if (c == ':') {
        response->state = HTTP_VALUE;
        response->has_cr = false;
        http_header_begin(response);
        return;
    }
    if (c <= ' ' || c == 0x7f) { /* not a token; a value of more than ASCII is none either */
        response->state = HTTP_LOST;
        return;
    }
    if (response->name_length < HTTP_NAME_MAX)
        response->name[response->name_length++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    else
        response->name_length = HTTP_NAME_MAX + 1;
}

static void read_value(struct http_response *response, char c)
{
    if (c == '\n')
        begin_line(response);
    else if (response->has_cr || c == '\0')
        response->state = HTTP_LOST;
    else if (c == '\r')
        response->has_cr = true;
    else
        http_header_add(response, c);
}

static void read_chunk_size(struct http_response *response, char c)
{
    enum { DIGITS_MAX = 15 };
    const bool is_small = c >= 'a' && c <= 'f', is_capital = c >= 'A' && c <= 'F';
    if (is_digit(c) || is_small || is_capital) {
        const int digit = is_digit(c) ? c - '0' : is_small ? c - 'a' + 10 : c - 'A' + 10;
        response->left = response->left << 4 | (unsigned)digit;
        if (++response->matched > DIGITS_MAX)
            response->state = HTTP_LOST;
        return;
    }
    response->has_cr = c == '\r';
    if (response->matched == 0 || (c != '\r' && c != '\n' && c != ';' && c != ' ' && c != '\t'))
        response->state = HTTP_LOST;
    else if (c == '\n')
        response->state = response->left > 0 ? HTTP_CHUNK_DATA : HTTP_TRAILER;
    else
        response->state = HTTP_CHUNK_EXTENSION;
}

static void read_chunk_extension(struct http_response *response, char c)
{
    if (c == '\n')
        response->state = response->left > 0 ? HTTP_CHUNK_DATA : HTTP_TRAILER;
    else if (response->has_cr)
        response->state = HTTP_LOST;
    if (response->state == HTTP_TRAILER)
        response->has_cr = false;
    else
        response->has_cr = c == '\r';
}

/* The line break behind a chunk's data. */
static void read_chunk_end(struct http_response *response, char c)
{
    if (c == '\r' && response->matched == 0) {
        response->matched = 1;
        return;
    }
    response->state = c == '\n' ? HTTP_CHUNK_SIZE : HTTP_LOST;
    response->matched = 0;
}

/* Trailers say nothing that counts; an empty line ends them. */
static void read_trailer(struct http_response *response, char c)
{
    if (c == '\n')
        begin_response(response);
    else if (response->has_cr)
        response->state = HTTP_LOST;
    else if (c == '\r')
        response->has_cr = true;
    else
        response->state = HTTP_TRAILER_REST;
}

static void read_trailer_rest(struct http_response *response, char c)
{
    if (c != '\n')
        return;
    response->state = HTTP_TRAILER;
    response->has_cr = false;
}

/* Skips what it can of a body or a chunk. Returns the number of bytes. */
static size_t skip(struct http_response *response, size_t length)
{
    const size_t taken = response->left < length ? (size_t)response->left : length;
    response->left -= taken;
    if (response->left > 0)
        return taken;
    if (response->state == HTTP_BODY) {
        begin_response(response);
    } else {
        response->state = HTTP_CHUNK_END;
        response->matched = 0;
    }
    return taken;
}

/* A body that begins like a response may be the next response, if this one was to HEAD. */
static size_t read_body(struct http_response *response, const char *bytes, size_t length)
{
    static const char begin[] = "HTTP/1.";
    enum { BEGIN = sizeof begin - 1, IS_BODY = BEGIN + 1 };
    size_t same = 0;
    while (response->matched < BEGIN && same < length && same < response->left &&
           bytes[same] == begin[response->matched]) {
        response->matched++;
        same++;
    }
    if (response->matched == BEGIN) {
        response->state = HTTP_LOST;
        return length;
    }
    if (same < length)
        response->matched = IS_BODY;
    return skip(response, length);
}

static void read_character(struct http_response *response, char c, http_fault_found *found, void *context)
{
    switch (response->state) {
    case HTTP_STATUS:
        read_status(response, c);
        break;
    case HTTP_STATUS_REST:
        read_status_rest(response, c);
        break;
    case HTTP_LINE:
        if (c != '\n')
            read_line_begin(response, c);
        else if (http_header_end(response))
            end_headers(response, found, context);
        else
            response->state = HTTP_LOST;
        if (response->state == HTTP_NAME)
            read_name(response, c);
        break;
    case HTTP_NAME:
        read_name(response, c);
        break;
    case HTTP_VALUE:
        read_value(response, c);
        break;
    case HTTP_HEADERS_END:
        if (c == '\n')
            end_headers(response, found, context);
        else
            response->state = HTTP_LOST;
        break;
    case HTTP_CHUNK_SIZE:
        read_chunk_size(response, c);
        break;
    case HTTP_CHUNK_EXTENSION:
        read_chunk_extension(response, c);
        break;
    case HTTP_CHUNK_END:
        read_chunk_end(response, c);
        break;
    case HTTP_TRAILER:
        read_trailer(response, c);
        break;
    case HTTP_TRAILER_REST:
        read_trailer_rest(response, c);
        break;
    case HTTP_BODY:
    case HTTP_CHUNK_DATA:
    case HTTP_LOST:
        break;
    }
}

void http_response_read(struct http_response *response, const char *bytes, size_t length, http_fault_found *found,
                        void *context)
{
    for (size_t at = 0; at < length && response->state != HTTP_LOST;)
        if (response->state == HTTP_BODY)
            at += read_body(response, bytes + at, length - at);
        else if (response->state == HTTP_CHUNK_DATA)
            at += skip(response, length - at);
        else
            read_character(response, bytes[at++], found, context);
}

void http_response_skip(struct http_response *response, size_t length)
{
    const bool is_data = response->state == HTTP_BODY || response->state == HTTP_CHUNK_DATA;
    if (length > 0 && (!is_data || length > response->left))
        response->state = HTTP_LOST;
    else if (length > 0)
        (void)skip(response, length);
}
