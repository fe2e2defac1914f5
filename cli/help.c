/* Help as plain text, from the tables of the commands. */
#include "internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 80
#define COLUMN 26 /* where the texts of options begin */

const cli_option *cli_option_at(const cli_command *command, size_t i, const char **group)
{
    size_t own = 0;
    while (command->options && command->options[own].name) own++;
    const cli_option *o = i < own ? &command->options[i] : &cli_common_options[i - own];
    /* The first of the own options opens a group even when its table names none. */
    *group = o->name ? o->group ? o->group : i == 0 ? "Options" : NULL : NULL;
    return o->name ? o : NULL;
}

static void heading(FILE *out, const char *text)
{
    fprintf(out, cli_colour(out) ? "\n\x1b[1m%s:\x1b[0m\n" : "\n%s:\n", text);
}

/* Writes words of `text` between the columns `left` and WIDTH, beginning at column `at`. An empty
 * line in the text separates paragraphs. Ends with a newline. */
static void wrap(FILE *out, const char *text, size_t left, size_t at)
{
    bool first = true;
    while (*text) {
        if (text[0] == '\n' && text[1] == '\n') {
            fprintf(out, "\n\n%*s", (int)left, "");
            at = left;
            first = true;
        }
        text += strspn(text, " \n");
        size_t n = strcspn(text, " \n");
        if (n == 0) break;
        if (!first && at + 1 + n > WIDTH) {
            fprintf(out, "\n%*s", (int)left, "");
            at = left;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", (int)n, text);
        at += n + !first;
        first = false;
        text += n;
    }
    fputc('\n', out);
}

static void option(FILE *out, const cli_option *o)
{
    char left[128], range[96], text[2048];
    size_t used;
    if (o->letter)
        snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name);
    else
        snprintf(left, sizeof left, "      --%s", o->name);
    used = strlen(left);
    if (o->kind != CLI_FLAG) {
        snprintf(left + used, sizeof left - used, " %s", cli_metavar(o));
        used = strlen(left);
    }
    fputs(left, out);
    if (used + 2 > COLUMN)
        fprintf(out, "\n%*s", COLUMN, "");
    else
        fprintf(out, "%*s", (int)(COLUMN - used), "");

    snprintf(text, sizeof text, "%s", o->help);
    used = strlen(text);
    const char *separator = " [";
    for (size_t i = 0; o->kind == CLI_CHOICE && o->choices[i] && used < sizeof text; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? ", " : separator,
                                 o->choices[i]);
    }
    if (o->kind == CLI_CHOICE) separator = "; ";
    cli_range_text(o, range, sizeof range);
    if (*range && used < sizeof text) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", separator, range);
        separator = "; ";
    }
    if (o->required && used < sizeof text) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%srequired", separator);
        separator = "; ";
    }
    if (o->fallback && used < sizeof text) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%sdefault: %s", separator,
                                 o->fallback);
        separator = "; ";
    }
    if (separator[0] == ';' && used < sizeof text) snprintf(text + used, sizeof text - used, "]");
    wrap(out, text, COLUMN, COLUMN);
}

void cli_synopsis(FILE *out, const cli_command *command)
{
    for (const cli_option *o = command->options; o && o->name; o++)
        if (o->required) fprintf(out, " --%s %s", o->name, cli_metavar(o));
    fputs(" [OPTION]...", out);
    for (const cli_operand *o = command->operands; o && o->name; o++)
        fprintf(out, " %s%s%s%s", o->optional ? "[" : "", o->name, o->optional ? "]" : "",
                o->repeat ? "..." : "");
}

void cli_help_command(FILE *out, const cli_command *command)
{
    char name[128];
    cli_command_name(command, ' ', name, sizeof name);
    fprintf(out, "wengert %s: %s\n\nUsage: wengert %s", name, command->summary, name);
    cli_synopsis(out, command);
    fputs("\n\n", out);
    if (command->description) wrap(out, command->description, 0, 0);
    if (command->operands) heading(out, "Operands");
    for (const cli_operand *o = command->operands; o && o->name; o++) {
        size_t used = strlen(o->name) + 2;
        fprintf(out, "  %s%*s", o->name, used < COLUMN ? (int)(COLUMN - used) : 2, "");
        wrap(out, o->help, COLUMN, COLUMN);
    }
    const char *group;
    const cli_option *o;
    for (size_t i = 0; (o = cli_option_at(command, i, &group)); i++) {
        if (group) heading(out, group);
        option(out, o);
    }
    if (command->examples) heading(out, "Examples");
    for (const cli_example *e = command->examples; e && e->what; e++) {
        fprintf(out, "%s  %s:\n    ", e == command->examples ? "" : "\n", e->what);
        for (const char *c = e->command; *c; c++) {
            fputc(*c, out);
            if (*c == '\n') fputs("    ", out);
        }
        fputc('\n', out);
    }
    fputs("\nExit status: 0 fine, 1 a check failed, 2 trouble, 130/143 after SIGINT/SIGTERM.\n",
          out);
}

void cli_help_group(FILE *out, const char *const *words, size_t n)
{
    fputs("Usage: wengert", out);
    for (size_t i = 0; i < n; i++) fprintf(out, " %s", words[i]);
    fputs(" SUBCOMMAND [OPTION]...\n", out);
    heading(out, "Subcommands");
    for (size_t c = 0; cli_commands[c]; c++) {
        const char *const *path = cli_commands[c]->path;
        size_t same = 0;
        while (same < n && path[same] && strcmp(path[same], words[same]) == 0) same++;
        if (same < n) continue;
        char name[128];
        cli_command_name(cli_commands[c], ' ', name, sizeof name);
        fprintf(out, "  %-*s%s\n", COLUMN - 2, name, cli_commands[c]->summary);
    }
    fputs("\n'wengert help SUBCOMMAND' tells more, with examples.\n", out);
}

void cli_help_tool(FILE *out)
{
    fputs("wengert: sequence models in C, from one op to a translated sentence\n\n", out);
    cli_help_group(out, NULL, 0);
    heading(out, "Options of the tool itself");
    fprintf(out, "  %-*s%s\n", COLUMN - 2, "-h, --help", "Print this help and exit");
    fprintf(out, "  %-*s%s\n", COLUMN - 2, "-V, --version",
            "Print version, commit, libraries, instruction set and threads");
}
