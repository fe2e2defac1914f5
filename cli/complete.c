/* Completion scripts for bash, zsh and fish, from the tables of the commands. */
#include "internal.h"

#include <string.h>

/* Is `word` at position n in the name of command c the first of its kind after the same words? */
static bool first_with_word(size_t c, size_t n)
{
    for (size_t b = 0; b < c; b++) {
        size_t same = 0;
        while (same <= n && cli_commands[b]->path[same] && cli_commands[c]->path[same] &&
               strcmp(cli_commands[b]->path[same], cli_commands[c]->path[same]) == 0)
            same++;
        if (same > n) return false;
    }
    return true;
}

static bool same_group(size_t a, size_t b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!cli_commands[a]->path[i] || !cli_commands[b]->path[i] ||
            strcmp(cli_commands[a]->path[i], cli_commands[b]->path[i]) != 0)
            return false;
    return true;
}

/* The n words that command c begins with, "translate" for c = translate train and n = 1. */
static void put_group(FILE *out, size_t c, size_t n)
{
    for (size_t i = 0; i < n; i++) fprintf(out, "%s%s", i ? " " : "", cli_commands[c]->path[i]);
}

/* Calls visit for each group of commands (n leading words, the empty group first). */
static void each_group(FILE *out, void (*visit)(FILE *out, size_t c, size_t n))
{
    for (size_t n = 0; n < CLI_MAX_PATH; n++)
        for (size_t c = 0; cli_commands[c]; c++)
            if (cli_command_words(cli_commands[c]) > n &&
                (n == 0 ? c == 0 : first_with_word(c, n - 1)))
                visit(out, c, n);
}

/* The words that may follow the n leading words of command c. */
static void put_next_words(FILE *out, size_t c, size_t n)
{
    bool any = false;
    for (size_t d = 0; cli_commands[d]; d++) {
        if (!same_group(c, d, n) || !cli_commands[d]->path[n] || !first_with_word(d, n)) continue;
        fprintf(out, "%s%s", any ? " " : "", cli_commands[d]->path[n]);
        any = true;
    }
}

static bool takes_files(const cli_command *command)
{
    for (const cli_operand *o = command->operands; o && o->name; o++)
        if (o->path) return true;
    return false;
}

/* Text inside single quotes; `special` characters get a backslash as well (zsh's specs). */
static void quoted(FILE *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (*text == '\n')
            fputc(' ', out);
        else if (*text == '\\' || strchr(special, *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

/* ---- bash ---- */

static void bash_group(FILE *out, size_t c, size_t n)
{
    fputs("    '", out);
    put_group(out, c, n);
    fputs("')\n        mapfile -t COMPREPLY < <(compgen -W '", out);
    put_next_words(out, c, n);
    fputs(n ? " --help' -- \"$cur\")\n" : " --help --version' -- \"$cur\")\n", out);
    fputs("        return ;;\n", out);
}

static void bash_command(FILE *out, const cli_command *command)
{
    char name[128];
    const char *group;
    const cli_option *o;
    cli_command_name(command, ' ', name, sizeof name);
    fprintf(out, "    '%s' | '%s '*)\n        case $prev in\n", name, name);
    for (size_t i = 0; (o = cli_option_at(command, i, &group)); i++) {
        if (o->kind == CLI_FLAG) continue;
        fprintf(out, "        --%s", o->name);
        if (o->letter) fprintf(out, " | -%c", o->letter);
        if (o->kind == CLI_PATH || o->kind == CLI_PATHS) {
            fputs(") compopt -o filenames; "
                  "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n",
                  out);
        } else if (o->kind == CLI_CHOICE) {
            fputs(") mapfile -t COMPREPLY < <(compgen -W '", out);
            for (size_t k = 0; o->choices[k]; k++)
                fprintf(out, "%s%s", k ? " " : "", o->choices[k]);
            fputs("' -- \"$cur\"); return ;;\n", out);
        } else {
            fputs(") return ;;\n", out);
        }
    }
    fputs("        esac\n        options='", out);
    for (size_t i = 0; (o = cli_option_at(command, i, &group)); i++)
        fprintf(out, "%s--%s", i ? " " : "", o->name);
    fprintf(out, "'\n        files=%d\n", takes_files(command));
    fputs("        words='", out);
    for (const cli_operand *p = command->operands; p && p->name; p++)
        for (size_t k = 0; p->choices && p->choices[k]; k++) fprintf(out, "%s ", p->choices[k]);
    fputs("' ;;\n", out);
}

static void bash(FILE *out)
{
    fputs("# bash completion of wengert; made by: wengert help --completion bash\n"
          "_wengert() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local at= i options= files=0 words=\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in -*) break ;; esac\n"
          "        at+=${at:+ }${COMP_WORDS[i]}\n"
          "    done\n"
          "    COMPREPLY=()\n"
          "    case $at in\n",
          out);
    each_group(out, bash_group);
    for (size_t c = 0; cli_commands[c]; c++) bash_command(out, cli_commands[c]);
    fputs("    esac\n"
          "    case $cur in\n"
          "    -*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\") ;;\n"
          "    *)\n"
          "        if ((files)); then\n"
          "            compopt -o filenames\n"
          "            mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
          "        else\n"
          "            mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "        fi ;;\n"
          "    esac\n"
          "}\n"
          "complete -F _wengert wengert\n",
          out);
}

/* ---- zsh ---- */

static void zsh_group(FILE *out, size_t c, size_t n)
{
    fputs("    '", out);
    put_group(out, c, n);
    fputs("') compadd -- ", out);
    put_next_words(out, c, n);
    fputs(n ? " --help ;;\n" : " --help --version ;;\n", out);
}

static void zsh_action(FILE *out, const cli_option *o)
{
    if (o->kind == CLI_FLAG) return;
    fputc(':', out);
    quoted(out, cli_metavar(o), ":[]");
    fputc(':', out);
    if (o->kind == CLI_PATH || o->kind == CLI_PATHS) fputs("_files", out);
    if (o->kind != CLI_CHOICE) return;
    fputc('(', out);
    for (size_t k = 0; o->choices[k]; k++) fprintf(out, "%s%s", k ? " " : "", o->choices[k]);
    fputc(')', out);
}

static void zsh_command(FILE *out, const cli_command *command)
{
    char name[128];
    const char *group;
    const cli_option *o;
    cli_command_name(command, ' ', name, sizeof name);
    fprintf(out,
            "    '%s' | '%s '*)\n        shift %zu words\n        (( CURRENT -= %zu ))\n"
            "        _arguments -s",
            name, name, cli_command_words(command), cli_command_words(command));
    for (size_t i = 0; (o = cli_option_at(command, i, &group)); i++) {
        fputs(" \\\n            ", out);
        if (cli_is_list(o->kind))
            fputs("'*'", out);
        else if (o->letter)
            fprintf(out, "'(-%c --%s)'", o->letter, o->name);
        if (o->letter)
            fprintf(out, "{-%c,--%s}", o->letter, o->name);
        else
            fprintf(out, "--%s", o->name);
        fputs("'[", out);
        quoted(out, o->help, "[]:");
        fputc(']', out);
        zsh_action(out, o);
        fputc('\'', out);
    }
    for (const cli_operand *p = command->operands; p && p->name; p++) {
        fprintf(out, " \\\n            '%s:%s:", p->repeat ? "*" : p->optional ? ":" : "", p->name);
        if (p->path) fputs("_files", out);
        if (p->choices) fputc('(', out);
        for (size_t k = 0; p->choices && p->choices[k]; k++)
            fprintf(out, "%s%s", k ? " " : "", p->choices[k]);
        fputs(p->choices ? ")'" : "'", out);
    }
    fputs(" ;;\n", out);
}

static void zsh(FILE *out)
{
    fputs("#compdef wengert\n"
          "# zsh completion of wengert; made by: wengert help --completion zsh\n"
          "_wengert() {\n"
          "    local at= word\n"
          "    for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
          "        case $word in -*) break ;; esac\n"
          "        at+=${at:+ }$word\n"
          "    done\n"
          "    case $at in\n",
          out);
    each_group(out, zsh_group);
    for (size_t c = 0; cli_commands[c]; c++) zsh_command(out, cli_commands[c]);
    fputs("    esac\n"
          "}\n"
          "if [[ $funcstack[1] == _wengert ]]; then _wengert \"$@\"; "
          "else compdef _wengert wengert; fi\n",
          out);
}

/* ---- fish ---- */

static void fish_group(FILE *out, size_t c, size_t n)
{
    fputs("complete -c wengert -f -n '__wengert_at", out);
    for (size_t i = 0; i < n; i++) fprintf(out, " %s", cli_commands[c]->path[i]);
    fputs("' -a '", out);
    put_next_words(out, c, n);
    fputs("'\n", out);
}

static void fish_command(FILE *out, const cli_command *command)
{
    char name[128];
    const char *group;
    const cli_option *o;
    cli_command_name(command, ' ', name, sizeof name);
    if (!takes_files(command)) fprintf(out, "complete -c wengert -f -n '__wengert_in %s'\n", name);
    for (size_t i = 0; (o = cli_option_at(command, i, &group)); i++) {
        fprintf(out, "complete -c wengert -n '__wengert_in %s' -l %s", name, o->name);
        if (o->letter) fprintf(out, " -s %c", o->letter);
        if (o->kind == CLI_PATH || o->kind == CLI_PATHS)
            fputs(" -r -F", out);
        else if (o->kind != CLI_FLAG)
            fputs(" -x", out);
        if (o->kind == CLI_CHOICE) {
            fputs(" -a '", out);
            for (size_t k = 0; o->choices[k]; k++)
                fprintf(out, "%s%s", k ? " " : "", o->choices[k]);
            fputc('\'', out);
        }
        fputs(" -d '", out);
        /* fish quotes a quote with a backslash even inside single quotes. */
        for (const char *h = o->help; *h; h++) {
            if (*h == '\'' || *h == '\\') fputc('\\', out);
            fputc(*h == '\n' ? ' ' : *h, out);
        }
        fputs("'\n", out);
    }
}

static void fish(FILE *out)
{
    fputs("# fish completion of wengert; made by: wengert help --completion fish\n"
          "function __wengert_words\n"
          "    for word in (commandline -opc)[2..]\n"
          "        string match -q -- '-*' $word; and break\n"
          "        echo $word\n"
          "    end\n"
          "end\n"
          "function __wengert_at\n"
          "    set -l words (__wengert_words)\n"
          "    test \"$words\" = \"$argv\"\n"
          "end\n"
          "function __wengert_in\n"
          "    set -l words (__wengert_words)\n"
          "    set -l n (count $argv)\n"
          "    test (count $words) -ge $n; and test \"$words[1..$n]\" = \"$argv\"\n"
          "end\n"
          "complete -c wengert -f -n __wengert_at -l version -d 'Print version and libraries'\n"
          "complete -c wengert -f -n __wengert_at -l help -s h -d 'Print help'\n",
          out);
    each_group(out, fish_group);
    for (size_t c = 0; cli_commands[c]; c++) fish_command(out, cli_commands[c]);
}

bool cli_completion(FILE *out, const char *shell)
{
    static const struct {
        const char *name;
        void (*write)(FILE *out);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(shell, shells[i].name) != 0) continue;
        shells[i].write(out);
        return true;
    }
    return false;
}
