/* Earlier checkpoints under names of their own. */
#ifndef WENGERT_IO_SAVER_KEEP_H
#define WENGERT_IO_SAVER_KEEP_H

#include <stdint.h>

#include <wengert/status.h>

/* Gives DIR/NAME.npz the second name DIR/NAME-NUMBER.npz, and removes files of this form but the
 * `keep` with the highest numbers up to `number`. The directory is flushed afterwards. */
wg_status wg__keep_numbered(const char *path, int64_t number, int keep, wg_error *err);

#endif
