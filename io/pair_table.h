/* A hash table from pairs of numbers to numbers, open addressing, no removal. The hash is keyed at
 * random, so that no file can make it slow; nothing that it is used for depends on the key. */
#ifndef WENGERT_IO_PAIR_TABLE_H
#define WENGERT_IO_PAIR_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wg__pair_slot {
    uint64_t key;
    int32_t value; /* -1: free */
} wg__pair_slot;

typedef struct wg__pair_table {
    wg__pair_slot *slot;
    size_t slots, used; /* slots is a power of two, at most half are used */
    uint64_t seed[2];
} wg__pair_table;

void wg__pair_table_init(wg__pair_table *table);
void wg__pair_table_free(wg__pair_table *table);
/* The value of the pair; -1 when it is not there. */
int32_t wg__pair_table_find(const wg__pair_table *table, int32_t left, int32_t right);
/* Adds a pair that is not there; value must not be negative. False: out of memory. */
bool wg__pair_table_add(wg__pair_table *table, int32_t left, int32_t right, int32_t value);

#endif
