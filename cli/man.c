/* Manual pages in roff (man macros), from the same tables as the help. */
#include "internal.h"

#include <wengert/version.h>

#include <ctype.h>
#include <string.h>

/* Text with roff's special characters escaped; never begins a request. An empty line separates
 * paragraphs. */
static void text(FILE *out, const char *t)
{
    bool start = true;
    for (; *t; t++) {
        if (t[0] == '\n' && t[1] == '\n') {
            fputs("\n.PP\n", out);
            t++;
            start = true;
            continue;
        }
        if (start && (*t == '.' || *t == '\'')) fputs("\\&", out);
        start = *t == '\n';
        switch (*t) {
        case '\\': fputs("\\e", out); break;
        case '-': fputs("\\-", out); break;
        case '^': fputs("\\(ha", out); break;
        case '~': fputs("\\(ti", out); break;
        case '`': fputs("\\(ga", out); break;
        default: fputc(*t, out);
        }
    }
}

static void title(FILE *out, const char *name)
{
    fputs(".TH ", out);
    for (; *name; name++) fputc(toupper((unsigned char)*name), out);
    /* No date: the page is the same whenever it is made. */
    fputs(" 1 \"\" \"wengert " WENGERT_VERSION "\" \"Wengert\"\n", out);
}

static void option(FILE *out, const cli_option *o)
{
    char range[96];
    fputs(".TP\n.B ", out);
    if (o->letter) fprintf(out, "\\-%c, ", o->letter);
    fputs("\\-\\-", out);
    text(out, o->name);
    if (o->kind != CLI_FLAG) {
        fputs(" \\fI", out);
        text(out, cli_metavar(o));
        fputs("\\fR", out);
    }
    fputc('\n', out);
    text(out, o->help);
    fputs(".\n", out);
    for (size_t i = 0; o->kind == CLI_CHOICE && o->choices[i]; i++) {
        fputs(i ? ", " : "One of: ", out);
        text(out, o->choices[i]);
    }
    if (o->kind == CLI_CHOICE) fputs(".\n", out);
    cli_range_text(o, range, sizeof range);
    if (*range) fputs("Range: ", out), text(out, range), fputs(".\n", out);
    if (o->required) fputs("Required.\n", out);
    if (o->fallback) fputs("Default: ", out), text(out, o->fallback), fputs(".\n", out);
}

static void status_section(FILE *out)
{
    fputs(".SH EXIT STATUS\n"
          ".TP\n.B 0\nFine.\n"
          ".TP\n.B 1\nA check failed.\n"
          ".TP\n.B 2\nTrouble: usage, files, memory; the message says which.\n"
          ".TP\n.B 130, 143\nEnded by SIGINT or SIGTERM, after saving.\n"
          ".SH ENVIRONMENT\n"
          ".TP\n.B WENGERT_THREADS, OMP_NUM_THREADS\nNumber of threads where \\-\\-threads is 0.\n"
          ".TP\n.B WENGERT_ISA\nInstruction set: base, avx2 or avx512.\n"
          ".TP\n.B NO_COLOR\nNo colours when set and not empty.\n",
          out);
}

void cli_man_command(FILE *out, const cli_command *command)
{
    char name[128], words[128], page[160];
    cli_command_name(command, '-', name, sizeof name);
    cli_command_name(command, ' ', words, sizeof words);
    snprintf(page, sizeof page, "wengert-%s", name);
    title(out, page);
    fputs(".SH NAME\n", out);
    text(out, page);
    fputs(" \\- ", out);
    text(out, command->summary);
    fputs("\n.SH SYNOPSIS\n.B wengert ", out);
    text(out, words);
    fputc('\n', out);
    for (const cli_option *o = command->options; o && o->name; o++) {
        if (!o->required) continue;
        fputs(".B \\-\\-", out);
        text(out, o->name);
        fputs("\n.I ", out);
        text(out, cli_metavar(o));
        fputc('\n', out);
    }
    fputs(".RI [ OPTION ]...\n", out);
    for (const cli_operand *o = command->operands; o && o->name; o++)
        fprintf(out, o->optional ? ".RI [ %s ]%s\n" : ".IR %s %s\n", o->name,
                o->repeat ? "..." : "");
    if (command->description) {
        fputs(".SH DESCRIPTION\n", out);
        text(out, command->description);
        fputc('\n', out);
    }
    if (command->operands) fputs(".SH OPERANDS\n", out);
    for (const cli_operand *o = command->operands; o && o->name; o++) {
        fprintf(out, ".TP\n.I %s\n", o->name);
        text(out, o->help);
        fputs(".\n", out);
    }
    fputs(".SH OPTIONS\n", out);
    const char *group;
    const cli_option *o;
    for (size_t i = 0; (o = cli_option_at(command, i, &group)); i++) {
        if (group) fputs(".SS ", out), text(out, group), fputc('\n', out);
        option(out, o);
    }
    if (command->examples) fputs(".SH EXAMPLES\n", out);
    for (const cli_example *e = command->examples; e && e->what; e++) {
        fputs(".PP\n", out);
        text(out, e->what);
        fputs(":\n.PP\n.EX\n", out);
        text(out, e->command);
        fputs("\n.EE\n", out);
    }
    status_section(out);
    fputs(".SH SEE ALSO\n.BR wengert (1)\n", out);
}

void cli_man_tool(FILE *out)
{
    title(out, "wengert");
    fputs(".SH NAME\nwengert \\- sequence models in C\n"
          ".SH SYNOPSIS\n.B wengert\n.I SUBCOMMAND\n.RI [ OPTION ]...\n.br\n"
          ".B wengert \\-\\-help\n.br\n.B wengert \\-\\-version\n"
          ".SH SUBCOMMANDS\n",
          out);
    char name[128];
    for (size_t c = 0; cli_commands[c]; c++) {
        fputs(".TP\n.B ", out);
        text(out, cli_command_name(cli_commands[c], ' ', name, sizeof name));
        fputc('\n', out);
        text(out, cli_commands[c]->summary);
        fputs(".\n", out);
    }
    status_section(out);
    fputs(".SH SEE ALSO\n", out);
    for (size_t c = 0; cli_commands[c]; c++) {
        fputs(".BR wengert\\-", out);
        text(out, cli_command_name(cli_commands[c], '-', name, sizeof name));
        fprintf(out, " (1)%s\n", cli_commands[c + 1] ? "," : "");
    }
}
