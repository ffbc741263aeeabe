/*
 * The responses of an HTTP/1.x server, as bytes in pieces of any size: what their headers lack (RFC 6797, RFC
 * 6265). Bytes in, faults out: nothing here allocates memory, makes a system call or changes a byte. The state has
 * a fixed size, and headers are not stored. Bodies are skipped by their framing (RFC 9112, section 6), so a body
 * that looks like headers is none. Where that framing cannot be followed, the rest of the connection is not looked
 * at: after an upgrade, with HTTP/2, a body that ends with the connection, or a body that begins like a response.
 * That last one may be the next response after one to HEAD, which has a length and no body; the requests are not
 * known here.
 */
#ifndef PFSWRAP_TLS_HTTP_RESPONSE_H
#define PFSWRAP_TLS_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_fault {
    HTTP_HSTS_MISSING,
    HTTP_HSTS_SHORT, /* max-age below HTTP_HSTS_SECONDS */
    HTTP_COOKIE_NOT_SECURE,
    HTTP_COOKIE_NOT_HTTPONLY,
    HTTP_COOKIE_NO_SAMESITE,
    HTTP_REDIRECT_TO_HTTP,
    HTTP_PUBLIC_KEY_PINS, /* retired: browsers ignore it, and it has locked users out */
    HTTP_FAULT_COUNT
};

enum {
    /* A year: ASVS 5.0, 3.4.1, and hstspreload.org. ASVS 4.0.3, 14.4.5, has 15,724,800 as an example. */
    HTTP_HSTS_SECONDS = 31536000,
    HTTP_NAME_MAX = 28,   /* characters of the longest header's name that matters */
    HTTP_PIECE_MAX = 64,  /* characters of a part of a value that are kept */
    HTTP_DETAIL_MAX = 64, /* with the terminator */
};

enum http_state {
    HTTP_STATUS, /* in the first characters of a status line; 0: a new state is all zero */
    HTTP_STATUS_REST,
    HTTP_LINE, /* the first character of a header's line */
    HTTP_NAME,
    HTTP_VALUE,
    HTTP_HEADERS_END, /* behind the CR of the empty line */
    HTTP_BODY,
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_EXTENSION,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_END,
    HTTP_TRAILER, /* the first character of a line */
    HTTP_TRAILER_REST,
    HTTP_LOST, /* nothing more is looked at */
};

enum http_header {
    HTTP_OTHER,
    HTTP_HSTS,
    HTTP_COOKIE,
    HTTP_LOCATION,
    HTTP_PINS,
    HTTP_LENGTH,
    HTTP_CODING,
};

struct http_response {
    enum http_state state;
    unsigned matched; /* characters of a status line, of a chunk's size or of a body's beginning */
    bool has_cr;      /* the last character was a CR: only an LF may follow */
    int status;       /* the code, 100 to 599 */
    uint64_t left;    /* bytes of the body or of the chunk */
    char name[HTTP_NAME_MAX + 1];
    unsigned name_length;       /* HTTP_NAME_MAX + 1: longer, and so none that matters */
    enum http_header header;    /* of the current line */
    char piece[HTTP_PIECE_MAX]; /* the current part of the value, without blanks in front */
    unsigned piece_length;
    bool piece_is_cut;
    unsigned pieces; /* parts of the value before this one */

    /* What the headers have said. */
    bool has_length, is_chunked, has_other_coding, has_location, has_hsts, has_max_age;
    uint64_t length, max_age;
    struct {
        char name[HTTP_DETAIL_MAX];
        bool is_secure, is_httponly, has_samesite, is_deleted;
    } cookie;
    unsigned faults; /* bits of enum http_fault */
    char details[HTTP_FAULT_COUNT][HTTP_DETAIL_MAX];
};

/* Gets each fault when the headers of a response have ended. `detail`: a cookie's name, a host, or a number. */
typedef void http_fault_found(void *context, enum http_fault fault, const char *detail);

/* Reads what was written. */
void http_response_read(struct http_response *response, const char *bytes, size_t length, http_fault_found *found,
                        void *context);

/* Bytes were written that cannot be read here, such as those of a file (SSL_sendfile(3)). */
void http_response_skip(struct http_response *response, size_t length);

/* A fault's name in the log, and in words. */
extern const char *const http_fault_ids[HTTP_FAULT_COUNT], *const http_fault_words[HTTP_FAULT_COUNT];

/* http_header.c: a character of the current header's value, its end, and what is known at the end of all of them.
 */
void http_header_begin(struct http_response *response);
void http_header_add(struct http_response *response, char character);
bool http_header_end(struct http_response *response); /* false: the framing cannot be known */
void http_header_judge(struct http_response *response);

#endif
