/* The table of subcommands: adding one is a declaration and a line, in the order of `--help`. */
#include "internal.h"

extern const cli_command cli_command_translate_train;
extern const cli_command cli_command_translate_run;
extern const cli_command cli_command_translate_export;
extern const cli_command cli_command_tokenize;
extern const cli_command cli_command_detokenize;
extern const cli_command cli_command_subwords_learn;
extern const cli_command cli_command_subwords_apply;
extern const cli_command cli_command_subwords_undo;
extern const cli_command cli_command_score_bleu;
extern const cli_command cli_command_inspect;
extern const cli_command cli_command_convert;
extern const cli_command cli_command_gradcheck;
extern const cli_command cli_command_new_cell;
extern const cli_command cli_command_help;

const cli_command *const cli_commands[] = {
    &cli_command_translate_train, &cli_command_translate_run, &cli_command_translate_export,
    &cli_command_tokenize,        &cli_command_detokenize,    &cli_command_subwords_learn,
    &cli_command_subwords_apply,  &cli_command_subwords_undo, &cli_command_score_bleu,
    &cli_command_inspect,         &cli_command_convert,       &cli_command_gradcheck,
    &cli_command_new_cell,        &cli_command_help,          NULL,
};
