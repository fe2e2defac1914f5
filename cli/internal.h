/* What the files of the framework share with each other and not with the subcommands. */
#ifndef WENGERT_CLI_INTERNAL_H
#define WENGERT_CLI_INTERNAL_H

#include "cli.h"

/* Where a value came from, in rising order of precedence. */
typedef enum cli_source { CLI_FROM_DEFAULT, CLI_FROM_FILE, CLI_FROM_COMMAND_LINE } cli_source;

typedef struct cli_value {
    cli_source source;
    bool set; /* has a value at all */
    bool flag;
    int64_t integer;
    double real;
    int choice;
    char *text;  /* owned */
    char **list; /* owned, as are its n texts */
    size_t n;
} cli_value;

struct cli_args {
    const cli_command *command;
    const cli_option **options; /* own options, then the common ones */
    cli_value *values;          /* one for each option */
    size_t n_options;
    const char **operands; /* point into argv */
    size_t n_operands;
    bool help; /* --help was given: nothing else matters */
};

typedef enum cli_outcome { CLI_PARSED, CLI_PARSE_FAILED } cli_outcome;

/* options.c */
extern const cli_option cli_common_options[];
bool cli_args_init(cli_args *args, const cli_command *command);
void cli_args_free(cli_args *args);
/* argv[0] is what precedes the options (the last word of the command's name). Reports by itself. */
cli_outcome cli_parse(cli_args *args, int argc, char **argv);
cli_outcome cli_check_operands(const cli_args *args);
cli_outcome cli_check_required(const cli_args *args);
bool cli_is_list(cli_kind kind);

/* values.c */
/* `where` names the origin in messages: "option '--lr'" or "c.json: key 'lr'". */
cli_outcome cli_value_set(const cli_option *option, cli_value *value, const char *text,
                          cli_source source, const char *where);
void cli_value_clear(cli_value *value);
const char *cli_metavar(const cli_option *option);
/* "1 to 100", "at least 0", "above 0" ...; "" when any number will do. Returns buf. */
const char *cli_range_text(const cli_option *option, char *buf, size_t size);
/* Decimal numbers without regard to locale: the whole text, no blanks. */
bool cli_parse_int(const char *text, int64_t *out);
bool cli_parse_float(const char *text, double *out);
/* Reports a bug of the tool itself and ends it with status 2. */
_Noreturn void cli_bug(const char *fmt, ...) WG_PRINTF(1, 2);

/* config.c */
cli_outcome cli_config_load(cli_args *args, const char *path);
/* "beam_size" for "beam-size"; cut to size. Returns buf. */
const char *cli_key(const char *option_name, char *buf, size_t size);

/* suggest.c */
/* The candidate nearest to `word` by edit distance, or NULL when none is near. Give candidates one
 * by one; start with a zeroed cli_nearest. */
typedef struct cli_nearest {
    const char *best;
    int distance;
} cli_nearest;
void cli_nearest_try(cli_nearest *n, const char *word, const char *candidate);
/* " (did you mean 'X'?)" or ""; returns buf. */
const char *cli_nearest_text(const cli_nearest *n, const char *prefix, char *buf, size_t size);

/* help.c, man.c, complete.c: all write to `out`. */
void cli_help_tool(FILE *out);
void cli_help_command(FILE *out, const cli_command *command);
/* Those commands whose name starts with the first n words of `words`. */
void cli_help_group(FILE *out, const char *const *words, size_t n);
void cli_man_tool(FILE *out);
void cli_man_command(FILE *out, const cli_command *command);
bool cli_completion(FILE *out, const char *shell);
/* "translate train"; returns buf. sep goes between the words. */
const char *cli_command_name(const cli_command *command, char sep, char *buf, size_t size);
/* " --source FILE [options] REF [FILE...]": what follows the name in a synopsis. */
void cli_synopsis(FILE *out, const cli_command *command);
/* All options of a command in the order of help, the common ones last. i counts from 0; NULL ends.
 * *group is set to the heading that starts here, or NULL. */
const cli_option *cli_option_at(const cli_command *command, size_t i, const char **group);

/* version.c */
void cli_version(FILE *out);

/* message.c: the line at the start of every message, and the words after it. */
void cli_message(const char *label, const char *colour, const char *fmt, va_list list)
    WG_PRINTF(3, 0);

/* terminal.c */
/* Does stderr understand cursor control? */
bool cli_progress_terminal(void);

/* signal.c */
void cli_signals_install(bool quiet);

/* dispatch.c */
size_t cli_command_words(const cli_command *command);
/* The command that the leading words name, or NULL; *n_words: how many words led to it, or (without
 * a command) how many of them are the beginning of some command's name. */
const cli_command *cli_find_command(const char *const *words, size_t n, size_t *n_words);
/* "unknown subcommand 'x'", with the nearest. Returns CLI_TROUBLE. */
int cli_unknown_command(const char *const *words, size_t n, size_t known);
/* Everything between main and a command. */
int cli_main(int argc, char **argv);
/* Loads the shared objects named with --plugin. Returns 0 or CLI_TROUBLE. */
int cli_load_plugins(const cli_args *args);

#endif
