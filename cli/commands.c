/* The table of subcommands: adding one is a declaration and a line, in the order of `--help`. */
#include "internal.h"

extern const cli_command cli_command_score_bleu;
extern const cli_command cli_command_gradcheck;
extern const cli_command cli_command_new_cell;
extern const cli_command cli_command_help;

const cli_command *const cli_commands[] = {
    &cli_command_score_bleu, &cli_command_gradcheck, &cli_command_new_cell, &cli_command_help, NULL,
};
