/* From argv to values, by getopt_long over a list made from the command's table. */
#include "internal.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const cli_option cli_common_options[] = {
    {.name = "plugin",
     .kind = CLI_PATHS,
     .metavar = "FILE.so",
     .help = "Load a plugin with ops, cells or models; may be given several times",
     .group = "Common options"},
    {.name = "threads",
     .kind = CLI_INT,
     .fallback = "0",
     .min = 0,
     .max = 4096,
     .help = "Number of threads; 0 takes WENGERT_THREADS, else OMP_NUM_THREADS, else what the "
             "machine allows"},
    {.name = "seed",
     .kind = CLI_INT,
     .fallback = "1",
     .min = 0,
     .max = CLI_NO_LIMIT,
     .help = "Seed of everything random; the same seed and thread count give the same result"},
    {.name = "quiet", .letter = 'q', .kind = CLI_FLAG, .help = "Print errors and results only"},
    {.name = "config",
     .kind = CLI_PATH,
     .help = "Read options from a JSON object, keys with '_' for '-'; the command line wins"},
    {.name = "dump-config",
     .kind = CLI_FLAG,
     .help = "Print the options in force as JSON, for --config, and exit"},
    {.name = "help", .letter = 'h', .kind = CLI_FLAG, .help = "Print this help and exit"},
    {0},
};

bool cli_args_init(cli_args *args, const cli_command *command)
{
    memset(args, 0, sizeof *args);
    args->command = command;
    size_t n = 0;
    const char *group;
    while (cli_option_at(command, n, &group)) n++;
    args->options = calloc(n, sizeof *args->options);
    args->values = calloc(n, sizeof *args->values);
    if (!args->options || !args->values) {
        cli_args_free(args);
        return false;
    }
    args->n_options = n;
    for (size_t i = 0; i < n; i++) {
        const cli_option *o = args->options[i] = cli_option_at(command, i, &group);
        /* The table is part of the program: a default that does not parse is a bug. */
        if (o->fallback && cli_value_set(o, &args->values[i], o->fallback, CLI_FROM_DEFAULT,
                                         o->name) != CLI_PARSED)
            cli_bug("the default of option '--%s' is not valid", o->name);
    }
    return true;
}

void cli_args_free(cli_args *args)
{
    for (size_t i = 0; i < args->n_options; i++) cli_value_clear(&args->values[i]);
    free(args->values);
    free(args->options);
    free(args->operands);
    memset(args, 0, sizeof *args);
}

/* val of a long option: its index, above every char; taken back with --no-, a bit more. */
enum { FIRST = 256, NEGATED = 1 << 20 };

static bool can_negate(const cli_option *o)
{
    return o->kind == CLI_FLAG && strcmp(o->name, "help") != 0 &&
           strcmp(o->name, "dump-config") != 0;
}

typedef struct lists {
    struct option *longs;
    char *names;  /* "no-..." */
    char *shorts; /* ":b:q" */
} lists;

static void lists_free(lists *l)
{
    free(l->longs);
    free(l->names);
    free(l->shorts);
}

static bool lists_make(const cli_args *args, lists *l)
{
    size_t bytes = 1;
    for (size_t i = 0; i < args->n_options; i++) bytes += strlen(args->options[i]->name) + 4;
    l->longs = calloc(2 * args->n_options + 1, sizeof *l->longs);
    l->names = malloc(bytes);
    l->shorts = malloc(2 * args->n_options + 2);
    if (!l->longs || !l->names || !l->shorts) return false;

    struct option *next = l->longs;
    char *name = l->names, *letters = l->shorts;
    *letters++ = ':'; /* tell a missing argument from an unknown option */
    for (size_t i = 0; i < args->n_options; i++) {
        const cli_option *o = args->options[i];
        int takes = o->kind == CLI_FLAG ? no_argument : required_argument;
        *next++ = (struct option){o->name, takes, NULL, FIRST + (int)i};
        if (can_negate(o)) {
            *next++ = (struct option){name, no_argument, NULL, (FIRST + (int)i) | NEGATED};
            name += sprintf(name, "no-%s", o->name) + 1;
        }
        if (o->letter) {
            *letters++ = o->letter;
            if (takes) *letters++ = ':';
        }
    }
    *letters = '\0';
    return true;
}

/* Reports a long option that getopt could not resolve: ambiguous, or unknown. */
static void unknown_option(const cli_args *args, const lists *l, const char *word)
{
    char name[80];
    word += strspn(word, "-");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    cli_nearest near = {0};
    int matches = 0;
    char list[256] = "", hint[160];
    for (const struct option *o = l->longs; o->name; o++) {
        cli_nearest_try(&near, name, o->name);
        if (strncmp(o->name, name, strlen(name)) != 0) continue;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s--%s", matches++ ? ", " : "", o->name);
    }
    if (matches > 1)
        cli_usage_error(args, "option '--%s' is ambiguous: %s", name, list);
    else
        cli_usage_error(args, "unknown option '--%s'%s", name,
                        cli_nearest_text(&near, "--", hint, sizeof hint));
}

static size_t by_letter(const cli_args *args, int letter)
{
    for (size_t i = 0; i < args->n_options; i++)
        if (args->options[i]->letter && args->options[i]->letter == letter) return i;
    return args->n_options;
}

/* What getopt refused: a missing argument (c is ':'), one too many, or an unknown option. */
static void report(const cli_args *args, const lists *l, int c, const char *word)
{
    int val = optopt & ~NEGATED;
    size_t i = val >= FIRST ? (size_t)(val - FIRST) : by_letter(args, val);
    const char *name = i < args->n_options ? args->options[i]->name : NULL;
    if (c == ':' && name)
        cli_usage_error(args, "option '--%s' needs a value (%s)", name,
                        cli_metavar(args->options[i]));
    else if (val >= FIRST && name)
        cli_usage_error(args, "option '--%s%s' takes no value", optopt & NEGATED ? "no-" : "",
                        name);
    else if (optopt)
        cli_usage_error(args, "unknown option '-%c'", optopt);
    else
        unknown_option(args, l, word);
}

cli_outcome cli_parse(cli_args *args, int argc, char **argv)
{
    lists l = {0};
    cli_outcome outcome = CLI_PARSE_FAILED;
    if (!lists_make(args, &l)) {
        cli_error("%s", wg_strerror(WG_ENOMEM));
        goto out;
    }
    opterr = 0;
    optind = 0; /* getopt starts afresh */
    int c;
    while ((c = getopt_long(argc, argv, l.shorts, l.longs, NULL)) != -1) {
        if (c == '?' || c == ':') {
            report(args, &l, c, argv[optind - 1]);
            goto out;
        }
        size_t i = c >= FIRST ? (size_t)((c & ~NEGATED) - FIRST) : by_letter(args, c);
        const cli_option *o = args->options[i];
        char where[96];
        snprintf(where, sizeof where, "option '--%s'", o->name);
        const char *text = o->kind != CLI_FLAG ? optarg : c & NEGATED ? "false" : "true";
        if (cli_value_set(o, &args->values[i], text, CLI_FROM_COMMAND_LINE, where) != CLI_PARSED)
            goto out;
    }
    args->help = cli_flag(args, "help");
    args->n_operands = (size_t)(argc - optind);
    args->operands = calloc(args->n_operands + 1, sizeof *args->operands);
    if (!args->operands) {
        args->n_operands = 0;
        cli_error("%s", wg_strerror(WG_ENOMEM));
        goto out;
    }
    for (size_t i = 0; i < args->n_operands; i++) args->operands[i] = argv[optind + (int)i];
    outcome = CLI_PARSED;
out:
    lists_free(&l);
    return outcome;
}

static cli_outcome check_choice(const cli_args *args, const cli_operand *o, const char *text)
{
    cli_nearest near = {0};
    char hint[128];
    for (size_t i = 0; o->choices[i]; i++) {
        if (strcmp(o->choices[i], text) == 0) return CLI_PARSED;
        cli_nearest_try(&near, text, o->choices[i]);
    }
    cli_usage_error(args, "'%s' is not a valid %s%s", text, o->name,
                    cli_nearest_text(&near, "", hint, sizeof hint));
    return CLI_PARSE_FAILED;
}

cli_outcome cli_check_operands(const cli_args *args)
{
    const cli_operand *o = args->command->operands;
    size_t i = 0;
    for (; o && o[i].name; i++) {
        if (i >= args->n_operands) {
            if (o[i].optional) return CLI_PARSED;
            cli_usage_error(args, "missing operand %s (%s)", o[i].name, o[i].help);
            return CLI_PARSE_FAILED;
        }
        size_t last = o[i].repeat ? args->n_operands : i + 1;
        for (size_t j = i; o[i].choices && j < last; j++)
            if (check_choice(args, &o[i], args->operands[j]) != CLI_PARSED) return CLI_PARSE_FAILED;
        if (o[i].repeat) return CLI_PARSED;
    }
    if (i < args->n_operands) {
        cli_usage_error(args, "unexpected operand '%s'", args->operands[i]);
        return CLI_PARSE_FAILED;
    }
    return CLI_PARSED;
}

cli_outcome cli_check_required(const cli_args *args)
{
    for (size_t i = 0; i < args->n_options; i++) {
        if (!args->options[i]->required || args->values[i].set) continue;
        cli_usage_error(args, "option '--%s %s' is required", args->options[i]->name,
                        cli_metavar(args->options[i]));
        return CLI_PARSE_FAILED;
    }
    return CLI_PARSED;
}
