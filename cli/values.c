/* Values of options: from text, checked against the table; and the typed getters of cli.h. */
#include "internal.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool cli_is_list(cli_kind kind)
{
    return kind == CLI_STRINGS || kind == CLI_PATHS;
}

bool cli_parse_int(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-' || *text == '+');
    if (!*digits || digits[strspn(digits, "0123456789")] != '\0') return false;
    errno = 0;
    intmax_t value = strtoimax(text, NULL, 10);
    if (errno || value < INT64_MIN || value > INT64_MAX) return false;
    *out = value;
    return true;
}

bool cli_parse_float(const char *text, double *out)
{
    /* strtod takes blanks, hexadecimal, inf and nan as well; none of them is a setting. */
    if (!*text || text[strspn(text, "0123456789+-.eE")] != '\0') return false;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c) return false;
    locale_t old = uselocale(c);
    char *end;
    double value = strtod(text, &end);
    uselocale(old);
    freelocale(c);
    if (end == text || *end || !isfinite(value)) return false;
    *out = value;
    return true;
}

static bool has_range(const cli_option *o)
{
    return o->min != 0 || o->max != 0 || o->above_min;
}

static bool has_maximum(const cli_option *o)
{
    return o->max >= o->min && o->max < CLI_NO_LIMIT && !(o->max == 0 && o->above_min && !o->min);
}

const char *cli_range_text(const cli_option *o, char *buf, size_t size)
{
    if (size) buf[0] = '\0';
    if (!has_range(o)) return buf;
    const char *low = o->above_min ? "above" : "at least";
    if (!has_maximum(o))
        snprintf(buf, size, "%s %.15g", low, o->min);
    else if (o->above_min)
        snprintf(buf, size, "above %.15g, at most %.15g", o->min, o->max);
    else
        snprintf(buf, size, "%.15g to %.15g", o->min, o->max);
    return buf;
}

static bool in_range(const cli_option *o, double x)
{
    if (!has_range(o)) return true;
    if (o->above_min ? !(x > o->min) : !(x >= o->min)) return false;
    return !has_maximum(o) || x <= o->max;
}

const char *cli_metavar(const cli_option *o)
{
    if (o->metavar) return o->metavar;
    switch (o->kind) {
    case CLI_INT: return "N";
    case CLI_FLOAT: return "X";
    case CLI_PATH:
    case CLI_PATHS: return "FILE";
    case CLI_CHOICE: return "NAME";
    default: return "TEXT";
    }
}

void cli_value_clear(cli_value *v)
{
    free(v->text);
    for (size_t i = 0; i < v->n; i++) free(v->list[i]);
    free(v->list);
    memset(v, 0, sizeof *v);
}

static cli_outcome wrong_choice(const cli_option *o, const char *text, const char *where)
{
    cli_nearest near = {0};
    char list[512] = "", hint[128];
    for (size_t i = 0; o->choices[i]; i++) {
        cli_nearest_try(&near, text, o->choices[i]);
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", o->choices[i]);
    }
    cli_error("%s: '%s' is not one of %s%s", where, text, list,
              cli_nearest_text(&near, "", hint, sizeof hint));
    return CLI_PARSE_FAILED;
}

static cli_outcome wrong_number(const cli_option *o, const char *text, const char *where)
{
    char range[96];
    cli_range_text(o, range, sizeof range);
    const char *what = o->kind == CLI_INT ? "an integer" : "a number";
    if (*range)
        cli_error("%s: '%s' is not %s in the allowed range (%s)", where, text, what, range);
    else
        cli_error("%s: '%s' is not %s", where, text, what);
    return CLI_PARSE_FAILED;
}

static cli_outcome append(cli_value *v, const char *text)
{
    char **list = realloc(v->list, (v->n + 1) * sizeof *list);
    char *copy = list ? strdup(text) : NULL;
    if (list) v->list = list;
    if (!copy) {
        cli_error("%s", wg_strerror(WG_ENOMEM));
        return CLI_PARSE_FAILED;
    }
    v->list[v->n++] = copy;
    return CLI_PARSED;
}

cli_outcome cli_value_set(const cli_option *o, cli_value *v, const char *text, cli_source source,
                          const char *where)
{
    /* A list of lower precedence is replaced, not continued. */
    if (cli_is_list(o->kind) && v->set && v->source == source) return append(v, text);

    cli_value new = {.source = source, .set = true};
    cli_outcome outcome = CLI_PARSED;
    switch (o->kind) {
    case CLI_FLAG:
        new.flag = strcmp(text, "true") == 0;
        if (!new.flag && strcmp(text, "false") != 0) {
            cli_error("%s: '%s' is neither true nor false", where, text);
            return CLI_PARSE_FAILED;
        }
        break;
    case CLI_INT:
        if (!cli_parse_int(text, &new.integer) || !in_range(o, (double)new.integer))
            return wrong_number(o, text, where);
        break;
    case CLI_FLOAT:
        if (!cli_parse_float(text, &new.real) || !in_range(o, new.real))
            return wrong_number(o, text, where);
        break;
    case CLI_CHOICE:
        for (new.choice = 0; o->choices[new.choice]; new.choice++)
            if (strcmp(o->choices[new.choice], text) == 0) break;
        if (!o->choices[new.choice]) return wrong_choice(o, text, where);
        break;
    default: break;
    }
    if (cli_is_list(o->kind)) {
        outcome = append(&new, text);
    } else if (o->kind != CLI_FLAG) {
        new.text = strdup(text);
        if (!new.text) {
            cli_error("%s", wg_strerror(WG_ENOMEM));
            outcome = CLI_PARSE_FAILED;
        }
    }
    if (outcome == CLI_PARSED) {
        cli_value_clear(v);
        *v = new;
    } else {
        cli_value_clear(&new);
    }
    return outcome;
}

/* ---- Getters ---- */

static size_t find(const cli_args *args, const char *name)
{
    for (size_t i = 0; i < args->n_options; i++)
        if (strcmp(args->options[i]->name, name) == 0) return i;
    char command[128];
    cli_bug("'%s' asks for an option '%s' that its table does not have",
            cli_command_name(args->command, ' ', command, sizeof command), name);
}

static const cli_value *get(const cli_args *args, const char *name, unsigned kinds)
{
    size_t i = find(args, name);
    if (!(kinds >> args->options[i]->kind & 1u))
        cli_bug("option '--%s' was asked for as another kind than its table says", name);
    return &args->values[i];
}

bool cli_flag(const cli_args *args, const char *name)
{
    return get(args, name, 1u << CLI_FLAG)->flag;
}

int64_t cli_int(const cli_args *args, const char *name)
{
    return get(args, name, 1u << CLI_INT)->integer;
}

double cli_float(const cli_args *args, const char *name)
{
    return get(args, name, 1u << CLI_FLOAT)->real;
}

const char *cli_string(const cli_args *args, const char *name)
{
    return get(args, name, 1u << CLI_STRING | 1u << CLI_PATH | 1u << CLI_CHOICE)->text;
}

int cli_choice(const cli_args *args, const char *name)
{
    const cli_value *v = get(args, name, 1u << CLI_CHOICE);
    return v->set ? v->choice : -1;
}

const char *const *cli_strings(const cli_args *args, const char *name, size_t *n)
{
    const cli_value *v = get(args, name, 1u << CLI_STRINGS | 1u << CLI_PATHS);
    *n = v->n;
    return (const char *const *)v->list;
}

bool cli_given(const cli_args *args, const char *name)
{
    const cli_value *v = &args->values[find(args, name)];
    return v->set && v->source != CLI_FROM_DEFAULT;
}

static size_t find_operand(const cli_args *args, const char *name)
{
    const cli_operand *o = args->command->operands;
    for (size_t i = 0; o && o[i].name; i++)
        if (strcmp(o[i].name, name) == 0) return i;
    char command[128];
    cli_bug("'%s' asks for an operand %s that its table does not have",
            cli_command_name(args->command, ' ', command, sizeof command), name);
}

const char *cli_arg(const cli_args *args, const char *name)
{
    size_t i = find_operand(args, name);
    return i < args->n_operands ? args->operands[i] : NULL;
}

const char *const *cli_arg_list(const cli_args *args, const char *name, size_t *n)
{
    size_t i = find_operand(args, name);
    *n = i < args->n_operands ? args->n_operands - i : 0;
    return *n ? args->operands + i : NULL;
}

bool cli_quiet(const cli_args *args)
{
    return cli_flag(args, "quiet");
}

const cli_command *cli_command_of(const cli_args *args)
{
    return args->command;
}
