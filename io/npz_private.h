/* Inside npz: for tests and for the reader's parts. */
#ifndef WENGERT_IO_NPZ_PRIVATE_H
#define WENGERT_IO_NPZ_PRIVATE_H

#include <wengert/npz.h>

/* Writes every record in its zip64 form, which otherwise needs more than 4 GiB. */
void wg__npz_force_zip64(wg_npz_writer *writer);

#endif
