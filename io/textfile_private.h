/* Readers that continue the fingerprint of the file before, for texts in several files. */
#ifndef WENGERT_IO_TEXTFILE_PRIVATE_H
#define WENGERT_IO_TEXTFILE_PRIVATE_H

#include <wengert/textfile.h>

#include "sha256.h"

/* wg_reader_open with a hash to go on from (NULL = none). */
wg_status wg__reader_open(const char *path, const wg_reader_options *options,
                          const wg__sha256 *hash, wg_reader **out, wg_error *err);
/* The unfinished hash of all that was read; false before the end, or after jumps. */
bool wg__reader_hash(const wg_reader *reader, wg__sha256 *hash);

#endif
