/* The array of every built-in cell, which core registers before the first tape is made. */
#include "cells.h"

const wg_cell *const wg__builtin_cells[] = {
    &wg__cell_lstm, &wg__cell_lstmp, &wg__cell_gru, &wg__cell_gru_reset_before, &wg__cell_rnn,
};
const int wg__builtin_cell_count = (int)(sizeof wg__builtin_cells / sizeof wg__builtin_cells[0]);
