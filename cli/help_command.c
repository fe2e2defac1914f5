/* `wengert help`: help, manual pages and shell completion. */
#include "internal.h"

#include <string.h>

static int run_help(const cli_args *args)
{
    size_t n = 0, known = 0;
    const char *const *words = cli_arg_list(args, "SUBCOMMAND", &n);
    const char *shell = cli_string(args, "completion");
    bool man = cli_flag(args, "man");
    if (shell && (man || n)) return cli_usage_error(args, "--completion stands alone");
    if (shell) {
        if (!cli_completion(stdout, shell)) cli_bug("no completion for %s", shell);
        return CLI_FINE;
    }
    if (n == 0) {
        if (man)
            cli_man_tool(stdout);
        else
            cli_help_tool(stdout);
        return CLI_FINE;
    }
    const cli_command *command = cli_find_command(words, n, &known);
    if (command && known == n) {
        if (man)
            cli_man_command(stdout, command);
        else
            cli_help_command(stdout, command);
        return CLI_FINE;
    }
    if (!command && known == n && !man) {
        cli_help_group(stdout, words, n);
        return CLI_FINE;
    }
    if (command) return cli_usage_error(args, "'%s' is one word too many", words[known]);
    return cli_unknown_command(words, n, known);
}

const cli_command cli_command_help = {
    .path = {"help"},
    .summary = "show help, manual pages and shell completion",
    .description =
        "Without an operand, lists the subcommands; with one, describes it with all its options "
        "and examples. The same tables give manual pages and completion for three shells.",
    .operands =
        (const cli_operand[]){
            {.name = "SUBCOMMAND",
             .help = "Words of the subcommand's name, such as: translate train",
             .optional = true,
             .repeat = true},
            {0},
        },
    .options =
        (const cli_option[]){
            {.name = "man", .kind = CLI_FLAG, .help = "Write a manual page (roff) instead"},
            {.name = "completion",
             .kind = CLI_CHOICE,
             .metavar = "SHELL",
             .choices = CLI_CHOICES("bash", "zsh", "fish"),
             .help = "Write a completion script for this shell"},
            {0},
        },
    .examples =
        (const cli_example[]){
            {"Read a manual page", "wengert help --man help | man -l -"},
            {"Complete in this bash", ". <(wengert help --completion bash)"},
            {"Complete in every fish",
             "wengert help --completion fish > ~/.config/fish/completions/wengert.fish"},
            {0},
        },
    .run = run_help,
};
