/* Raw text to words and back, by the rules of Moses (tokenizer.perl, detokenizer.perl) as the field
 * uses them: punctuation stands by itself, numbers and abbreviations stay whole, contractions are
 * cut where the language does. One line in, one line out; no state, any number of threads.
 *
 * Classes of characters are Unicode's, by utf8proc. The golden values of the tests are those of
 * sacremoses; docs/formats.md says where the two differ. */
#ifndef WENGERT_TOKENIZE_H
#define WENGERT_TOKENIZE_H

#include <stdbool.h>
#include <stddef.h>

#include <wengert/status.h>

WG_BEGIN_DECLS

typedef struct wg_tokenize_options {
    size_t size;          /* sizeof(wg_tokenize_options) */
    const char *language; /* "en", "de", "fr", "it"; anything else, or NULL: rules that all share,
                           * with the abbreviations of English */
    bool lowercase;       /* lower-case the words (Unicode's simple mapping), once they are cut */
    bool escape;          /* write & | < > ' " [ ] as &amp; &#124; ..., as Moses' files have them */
} wg_tokenize_options;

/* Words of a line, separated by single blanks. Any bytes are taken: what is not UTF-8 becomes
 * U+FFFD, the rest is brought to form C, control characters go. *text is freed with wg_free.
 * WG_ENOMEM. */
WG_API wg_status wg_tokenize(const char *line, size_t length, const wg_tokenize_options *options,
                             char **text, wg_error *err);

/* Words of a line to running text: punctuation moves to the word that it belongs to, quotation
 * marks by turns to the left and to the right. With `escape`, &amp; and the like are undone first;
 * `lowercase` does nothing. Takes any bytes. */
WG_API wg_status wg_detokenize(const char *line, size_t length, const wg_tokenize_options *options,
                               char **text, wg_error *err);

WG_END_DECLS

#endif
