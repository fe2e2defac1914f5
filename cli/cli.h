/* The framework under every subcommand of the tool `wengert`.
 *
 * A subcommand is one constant table (cli_command): its name, operands, options, examples and a run
 * function. Parsing, --help, man pages, shell completion, configuration keys and --dump-config are
 * all made from that table, so that none of them can disagree. A new subcommand is a file that
 * defines `const cli_command cli_command_NAME` and one line in commands.c.
 *
 * Conventions (docs/cli.md): results on stdout, everything else on stderr; exit status 0 fine, 1 a
 * check failed, 2 trouble, 130/143 after SIGINT/SIGTERM. */
#ifndef WENGERT_CLI_H
#define WENGERT_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <wengert/program.h>
#include <wengert/status.h>

/* Exit statuses. After a signal: what cli_interrupted() returns. */
enum { CLI_FINE = 0, CLI_CHECK_FAILED = 1, CLI_TROUBLE = 2 };

typedef enum cli_kind {
    CLI_FLAG,    /* --name, and --no-name to take it back; default "true" or NULL (= false) */
    CLI_INT,     /* 64-bit integer, decimal */
    CLI_FLOAT,   /* finite double, '.' as decimal point whatever the locale */
    CLI_STRING,  /* any text */
    CLI_CHOICE,  /* one of `choices` */
    CLI_PATH,    /* text that shells complete as a file name */
    CLI_STRINGS, /* may be given several times; a JSON array in configuration files */
    CLI_PATHS,   /* the same, completed as file names */
} cli_kind;

#define CLI_NO_LIMIT 1e300

/* One option. Arrays of options end with {0}. Every field but name, kind and help may be left out.
 */
typedef struct cli_option {
    const char *name; /* "beam-size": --beam-size, "beam_size" in JSON */
    char letter;      /* 'b': -b; 0 = none */
    cli_kind kind;
    const char *metavar;        /* "N"; NULL = by kind (N, X, TEXT, FILE, a|b|c) */
    const char *fallback;       /* default, as the user would type it; NULL = none (0, 0.0, NULL) */
    double min, max;            /* allowed range, inclusive, of CLI_INT and CLI_FLOAT. Both 0: any
                                 * number; max < min, or CLI_NO_LIMIT: no upper limit. */
    bool above_min;             /* min itself is not allowed ("above 0") */
    bool required;              /* must be given, on the command line or in --config */
    const char *const *choices; /* of CLI_CHOICE, NULL-terminated: CLI_CHOICES("a", "b") */
    const char *help;           /* one or two sentences, no final full stop; default is appended */
    const char *group;          /* heading over this option and those after it; NULL = as before */
} cli_option;
#define CLI_CHOICES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* One operand (positional argument). Arrays end with {0}; optional and repeated ones come last. */
typedef struct cli_operand {
    const char *name; /* "REF", as shown in the synopsis and asked for with cli_arg */
    const char *help;
    bool optional;
    bool repeat; /* this and all that follow; last only */
    bool path;   /* shells complete it as a file name */
    const char *const
        *choices; /* shells complete it from these; checked as well. NULL = any text */
} cli_operand;

typedef struct cli_example {
    const char *what;    /* "Train a small translator", no final punctuation */
    const char *command; /* "wengert translate train ..." ; may hold newlines with a backslash */
} cli_example;

typedef struct cli_args cli_args;

#define CLI_MAX_PATH 3
typedef struct cli_command {
    const char *path[CLI_MAX_PATH + 1]; /* {"translate", "train"} */
    const char *summary;         /* one line, lower case, no full stop: "train a translator" */
    const char *description;     /* paragraphs separated by an empty line; reflowed */
    const cli_operand *operands; /* or NULL */
    const cli_option *options;   /* own options, or NULL; the common ones are added */
    const cli_example *examples; /* ends with {0}, or NULL */
    bool graceful; /* run polls cli_interrupted(); else a signal ends the process at once */
    int (*run)(const cli_args *args); /* returns an exit status */
} cli_command;

/* Every command takes, besides its own: --plugin FILE.so (repeatable; loaded before run is called),
 * --threads N (0 = automatic), --seed N, --quiet, --config FILE, --dump-config, --help.
 * cli_int(args, "threads") and cli_int(args, "seed") are there for run to pass on. */

/* ---- What the user asked for -------------------------------------------------------------- */

/* Values after defaults, configuration file and command line, in rising order of precedence. `name`
 * is that of an option of the command; any other name, or the wrong kind, is a bug of the command:
 * it is reported as such and ends the tool with status 2. Pointers live as long as args. */
bool cli_flag(const cli_args *args, const char *name);
int64_t cli_int(const cli_args *args, const char *name);
double cli_float(const cli_args *args, const char *name);
/* CLI_STRING, CLI_PATH, CLI_CHOICE; NULL when not given and without a default. */
const char *cli_string(const cli_args *args, const char *name);
/* The index of a CLI_CHOICE in its `choices`; -1 when not given and without a default. */
int cli_choice(const cli_args *args, const char *name);
/* CLI_STRINGS, CLI_PATHS: *n texts (NULL when *n is 0). */
const char *const *cli_strings(const cli_args *args, const char *name, size_t *n);
/* Was it given, on the command line or in the configuration file? */
bool cli_given(const cli_args *args, const char *name);

/* Operand by its name; NULL when an optional one is absent. */
const char *cli_arg(const cli_args *args, const char *name);
/* All texts of a repeated operand. */
const char *const *cli_arg_list(const cli_args *args, const char *name, size_t *n);

bool cli_quiet(const cli_args *args);
const cli_command *cli_command_of(const cli_args *args);
/* The effective configuration as JSON, what --dump-config prints; freed with free(). NULL: out of
 * memory. For training directories that must say how they were made. */
char *cli_config_json(const cli_args *args);

/* ---- Messages (stderr) -------------------------------------------------------------------- */

/* "wengert: error: ...", "wengert: warning: ..."; control characters that came in with arguments
 * are escaped, so a message is always one line. cli_error and cli_fail return CLI_TROUBLE, so that
 * a command can `return cli_error("...")`. */
int cli_error(const char *fmt, ...) WG_PRINTF(1, 2);
int cli_fail(const wg_error *err);
/* An error of usage: also points at --help of the command. */
int cli_usage_error(const cli_args *args, const char *fmt, ...) WG_PRINTF(2, 3);
void cli_warn(const char *fmt, ...) WG_PRINTF(1, 2);
/* "wengert: ..."; nothing under --quiet. */
void cli_note(const cli_args *args, const char *fmt, ...) WG_PRINTF(2, 3);

/* What writes each program after each pass to stderr, under WENGERT_TRACE=compile; else NULL. A
 * command puts it into the options of what compiles for it; its user is not looked at. */
wg_trace_fn cli_trace(void);

/* ---- Terminal ----------------------------------------------------------------------------- */

/* Text from a file made harmless for terminals: control characters (C0, DEL, C1), bidirectional
 * overrides and bytes that are not UTF-8 become \x1b or \u202e forms, everything else stays.
 * The result is freed with free(); NULL: out of memory. */
char *cli_escape(const char *text, size_t n);
/* The same, written to a stream; when `out` is not a terminal the bytes are written as they are. */
void cli_put_text(FILE *out, const char *text, size_t n);
/* May colours be used on this stream? A terminal, TERM not "dumb", NO_COLOR unset or empty. */
bool cli_colour(FILE *stream);
/* Columns of the terminal on stderr; 80 when unknown. */
int cli_columns(void);

/* Seconds on a clock that only runs forwards. */
double cli_now(void);

/* One line on stderr that is rewritten in place: on a terminal only, at most ten times a second,
 * never under --quiet. Elsewhere cli_progress_show writes an ordinary line once a minute, so that a
 * log file shows that the run is alive. Lives on the stack; nothing to free. */
typedef struct cli_progress {
    bool quiet, terminal, shown;
    double last; /* seconds, monotonic, of the last line written */
    double every;
} cli_progress;
void cli_progress_start(cli_progress *p, const cli_args *args);
/* Is a line due? Lets the caller skip computing what it would show. */
bool cli_progress_due(const cli_progress *p);
void cli_progress_show(cli_progress *p, const char *fmt, ...) WG_PRINTF(2, 3);
/* A line that stays (end of an epoch ...): written always, unless --quiet. */
void cli_progress_log(cli_progress *p, const char *fmt, ...) WG_PRINTF(2, 3);
/* Wipes the line; call it before anything else is printed, and at the end. */
void cli_progress_end(cli_progress *p);

/* Flushes stdout and checks that everything written arrived. Returns 0; or CLI_TROUBLE after one
 * message (broken pipe, full disk). main does it at the end; streaming commands after each line. */
int cli_flush(void);

/* Standard input, plain or gzipped, through `work` line by line: it makes of each a text without a
 * newline, freed with wg_free. Returns an exit status, after a message where it is not 0. */
typedef wg_status (*cli_line_work)(void *user, const char *line, size_t length, char **text,
                                   wg_error *err);
int cli_filter(cli_line_work work, void *user);

/* ---- Signals ------------------------------------------------------------------------------ */

/* 0; or, once SIGINT or SIGTERM came in, the exit status to return: 130 or 143. Commands with
 * `graceful` set poll it between steps, save what they have, and return it. A second signal ends
 * the process at once. Async-signal-safe, any thread. */
int cli_interrupted(void);

/* ---- The table (commands.c) --------------------------------------------------------------- */

extern const cli_command *const cli_commands[]; /* NULL-terminated */

#endif
