/* Text that grows: for prints, graphs and reports. Private to core. */
#ifndef WG_CORE_TEXT_H
#define WG_CORE_TEXT_H

#include <locale.h>

#include <wengert/tensor.h>

typedef struct wg__text {
    char *data; /* NUL-terminated once anything was put */
    size_t length, capacity;
    bool failed; /* out of memory: later puts do nothing */
} wg__text;

void wg__text_put(wg__text *t, const char *fmt, ...) WG_PRINTF(2, 3);
/* The bytes of s with quotes and backslashes escaped by a backslash, control characters as spaces
 * and invalid UTF-8 as '?': safe on terminals and inside the quotes of DOT. */
void wg__text_quoted(wg__text *t, const char *s);
/* The same without the backslashes. */
void wg__text_plain(wg__text *t, const char *s);
/* "f32[2,3]" */
void wg__text_type(wg__text *t, const wg_type *type);
void wg__text_spaces(wg__text *t, int n);
/* Hands the text over (freed with wg_free); NULL after a failure, and the text is freed. */
char *wg__text_take(wg__text *t);

/* Numbers with a decimal point whatever the host's locale: until the matching call, printf on this
 * thread follows the C locale. */
typedef struct wg__c_locale {
    locale_t c, old;
} wg__c_locale;
wg__c_locale wg__c_locale_enter(void);
void wg__c_locale_leave(wg__c_locale l);

#endif
