/*
 * Escapes text and writes tables. See html.h.
 */
#include "html.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/utf8.h"

void page_put(struct page *page, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vfprintf(page->file, format, arguments);
    va_end(arguments);
    page->used += length > 0 ? (size_t)length : 0;
}

static void put_character(struct page *page, const unsigned char *s, size_t length)
{
    switch (*s) {
    case '&':
        page_put(page, "&amp;");
        break;
    case '<':
        page_put(page, "&lt;");
        break;
    case '>':
        page_put(page, "&gt;");
        break;
    case '"':
        page_put(page, "&quot;");
        break;
    case '\'':
        page_put(page, "&#39;");
        break;
    default:
        page_put(page, "%.*s", (int)length, (const char *)s);
    }
}

static void put_text(struct page *page, const char *text, size_t max)
{
    size_t shown = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; shown++) {
        const size_t length = utf8_length(s);
        if (shown == max) {
            page_put(page, "…");
            return;
        }
        if (length == 0 || *s < 0x20 || *s == 0x7f)
            page_put(page, "\xef\xbf\xbd");
        else
            put_character(page, s, length);
        s += length == 0 ? 1 : length;
    }
}

void page_text(struct page *page, const char *text)
{
    put_text(page, text, PAGE_TEXT);
}

void page_sentence(struct page *page, const char *text)
{
    put_text(page, text, FINDING_TEXT);
}

void page_cell(struct page *page, const char *text)
{
    page_put(page, "<td>");
    page_text(page, text[0] != '\0' ? text : "–");
    page_put(page, "</td>");
}

void page_row_head(struct page *page, const char *text)
{
    page_put(page, "<th scope=\"row\">");
    page_text(page, text[0] != '\0' ? text : "–");
    page_put(page, "</th>");
}

/* Groups of three digits. */
void page_number(struct page *page, uint64_t number)
{
    char digits[24], text[32];
    const int length = snprintf(digits, sizeof digits, "%" PRIu64, number);
    int used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    page_put(page, "<td class=\"n\">%.*s</td>", used, text);
}

void page_table_begin(struct page *page, const char *caption, const char *columns)
{
    page_put(page,
             "<div class=\"wide\" role=\"group\" tabindex=\"0\" "
             "aria-label=\"%s\">\n<table><caption>%s</caption>\n<thead><tr>",
             caption, caption);
    for (const char *at = columns; *at != '\0';) {
        const size_t length = strcspn(at, "|");
        const bool is_number = at[0] == '#';
        page_put(page, "<th scope=\"col\"%s>%.*s</th>", is_number ? " class=\"n\"" : "", (int)(length - is_number),
                 at + is_number);
        at += length + (at[length] == '|');
    }
    page_put(page, "</tr></thead>\n<tbody>\n");
}

void page_table_end(struct page *page)
{
    page_put(page, "</tbody></table></div>\n");
}

void page_rest(struct page *page, uint64_t rows)
{
    if (rows > 0)
        page_put(page, "<p class=\"rest\">%" PRIu64 " more rows are not shown; <code>--json</code> has them.</p>\n",
                 rows);
}

bool page_has_room(const struct page *page)
{
    return page->used < PAGE_MAX - PAGE_RESERVE;
}
