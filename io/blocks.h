/* Blocks of text read and inflated ahead, on libuv's pool, or where they are asked for. */
#ifndef WENGERT_IO_BLOCKS_H
#define WENGERT_IO_BLOCKS_H

#include "textsource.h"

typedef struct wg__blocks wg__blocks;

/* Takes the source, on failure too. `ahead` blocks at most are ready before they are asked for; 0:
 * each is read when it is asked for, by the calling thread. */
wg_status wg__blocks_new(wg__textsource *source, const char *name, unsigned ahead, wg__blocks **out,
                         wg_error *err);
/* Waits for what is being read, and frees all, the source too. */
void wg__blocks_free(wg__blocks *b);
/* The next block, valid until the next call; *size = 0 at the end. *stats are those of the text up
 * to its end. Errors come in their place, behind the blocks that could be read. */
wg_status wg__blocks_next(wg__blocks *b, const char **text, size_t *size,
                          wg__textsource_stats *stats, wg_error *err);
/* Continues at a byte of the text (wg__textsource_seek). */
wg_status wg__blocks_seek(wg__blocks *b, uint64_t byte, wg_error *err);

#endif
