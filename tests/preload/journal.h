/* The journal that faults.c writes: what was done to files, in order. Entries follow each other,
 * each with its paths (no NUL behind them) and then its bytes. */
#ifndef WENGERT_TESTS_JOURNAL_H
#define WENGERT_TESTS_JOURNAL_H

#include <stdint.h>

typedef enum journal_op {
    JOURNAL_CREATE, /* an empty file, new or cut to nothing */
    JOURNAL_WRITE,
    JOURNAL_FSYNC, /* of a file or a directory */
    JOURNAL_RENAME,
    JOURNAL_LINK,
    JOURNAL_UNLINK,
} journal_op;

typedef struct journal_entry {
    uint32_t op;
    uint32_t path_bytes, to_bytes;
    uint64_t offset, size; /* of a write */
} journal_entry;

#endif
