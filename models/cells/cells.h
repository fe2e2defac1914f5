/* The built-in cells: each a table as a user's would be, listed in register.c. */
#ifndef WG_MODELS_CELLS_H
#define WG_MODELS_CELLS_H

#include <wengert/cell.h>

extern const wg_cell wg__cell_lstm, wg__cell_lstmp, wg__cell_gru, wg__cell_gru_reset_before,
    wg__cell_rnn;

/* What core's registry asks for by name of symbol. */
extern const wg_cell *const wg__builtin_cells[];
extern const int wg__builtin_cell_count;

#endif
