/*
 * libFuzzer: any bytes are the responses of an HTTP server, or are given up. Whole and in pieces they give the same
 * findings; a detail is short and printable, and each response has a kind at most once. The input is a byte with
 * the size of the pieces, and the bytes.
 */
#include "tls/http_response.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The findings as a number that depends on each of them and on their order. */
static void found(void *context, enum http_fault fault, const char *detail)
{
    uint64_t *const sum = context;
    FUZZ_CHECK((unsigned)fault < HTTP_FAULT_COUNT && strnlen(detail, HTTP_DETAIL_MAX) < HTTP_DETAIL_MAX);
    *sum = *sum * 31 + (uint64_t)fault + 1;
    for (; *detail != '\0'; detail++) {
        FUZZ_CHECK(*detail > ' ' && *detail < 0x7f);
        *sum = *sum * 31 + (unsigned char)*detail;
    }
}

/* Reads the bytes in pieces, each in a buffer of exactly its bytes. Returns the state at the end. */
static enum http_state read_pieces(const uint8_t *data, size_t size, size_t piece, uint64_t *sum)
{
    struct http_response response = {0};
    for (size_t at = 0; at < size; at += piece) {
        const size_t taken = size - at < piece ? size - at : piece;
        char *const exact = malloc(taken);
        FUZZ_CHECK(exact != NULL);
        memcpy(exact, data + at, taken);
        http_response_read(&response, exact, taken, found, sum);
        free(exact);
    }
    return response.state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t whole = 0, pieces = 0;
    if (size < 2)
        return 0;
    const enum http_state end = read_pieces(data + 1, size - 1, size, &whole);
    FUZZ_CHECK(read_pieces(data + 1, size - 1, (size_t)data[0] + 1, &pieces) == end && pieces == whole);
    return 0;
}
