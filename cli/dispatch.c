/* From the process' start to a command's run function and back to an exit status. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *cli_command_name(const cli_command *command, char sep, char *buf, size_t size)
{
    size_t used = 0;
    if (size) buf[0] = '\0';
    const char between[] = {sep, '\0'};
    for (size_t i = 0; command->path[i] && used < size; i++)
        used +=
            (size_t)snprintf(buf + used, size - used, "%s%s", i ? between : "", command->path[i]);
    return buf;
}

size_t cli_command_words(const cli_command *command)
{
    size_t n = 0;
    while (command->path[n]) n++;
    return n;
}

const cli_command *cli_find_command(const char *const *words, size_t n, size_t *n_words)
{
    size_t longest = 0;
    for (size_t c = 0; cli_commands[c]; c++) {
        const char *const *path = cli_commands[c]->path;
        size_t same = 0;
        while (same < n && path[same] && strcmp(path[same], words[same]) == 0) same++;
        if (same > longest) longest = same;
        if (same && !path[same]) {
            *n_words = same;
            return cli_commands[c];
        }
    }
    *n_words = longest;
    return NULL;
}

int cli_unknown_command(const char *const *words, size_t n, size_t known)
{
    cli_nearest near = {0};
    char group[128] = "", hint[128];
    for (size_t i = 0; i < known; i++) {
        size_t used = strlen(group);
        snprintf(group + used, sizeof group - used, " %s", words[i]);
    }
    for (size_t c = 0; cli_commands[c]; c++) {
        const char *const *path = cli_commands[c]->path;
        size_t same = 0;
        while (same < known && path[same] && strcmp(path[same], words[same]) == 0) same++;
        if (same == known && path[same] && n > known)
            cli_nearest_try(&near, words[known], path[same]);
    }
    if (n == known)
        cli_error("'wengert%s' needs a subcommand", group);
    else
        cli_error("unknown subcommand '%s'%s", words[known],
                  cli_nearest_text(&near, "", hint, sizeof hint));
    fprintf(stderr, "See 'wengert%s --help'.\n", group);
    return CLI_TROUBLE;
}

/* A descriptor 0, 1 or 2 that is closed would be taken by the first file that is opened, and
 * results or messages would end up in that file. Taken like this, using it is an error. */
static void occupy_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

static int run(const cli_command *command, int argc, char **argv)
{
    cli_args args;
    int status = CLI_TROUBLE;
    if (!cli_args_init(&args, command)) return cli_error("%s", wg_strerror(WG_ENOMEM));
    if (cli_parse(&args, argc, argv) != CLI_PARSED) goto out;
    if (args.help) {
        cli_help_command(stdout, command);
        status = CLI_FINE;
        goto out;
    }
    const char *config = cli_string(&args, "config");
    if (config && cli_config_load(&args, config) != CLI_PARSED) goto out;
    if (cli_flag(&args, "dump-config")) {
        char *json = cli_config_json(&args);
        if (!json) {
            cli_error("%s", wg_strerror(WG_ENOMEM));
            goto out;
        }
        puts(json);
        free(json);
        status = CLI_FINE;
        goto out;
    }
    if (cli_check_required(&args) != CLI_PARSED || cli_check_operands(&args) != CLI_PARSED)
        goto out;
    if (cli_load_plugins(&args) != CLI_FINE) goto out;
    if (command->graceful) cli_signals_install(cli_quiet(&args));
    status = command->run(&args);
out:
    cli_args_free(&args);
    return status;
}

/* An option before any subcommand: those of the tool as a whole. */
static int tool_option(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        cli_help_tool(stdout);
        return CLI_FINE;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        cli_version(stdout);
        return CLI_FINE;
    }
    cli_nearest near = {0};
    char hint[64];
    cli_nearest_try(&near, word, "--help");
    cli_nearest_try(&near, word, "--version");
    for (const cli_option *o = cli_common_options; o->name; o++)
        if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, o->name) == 0)
            return cli_error("option '%s' comes after the subcommand", word);
    cli_error("unknown option '%s'%s", word, cli_nearest_text(&near, "", hint, sizeof hint));
    fputs("See 'wengert --help'.\n", stderr);
    return CLI_TROUBLE;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        cli_help_tool(stderr);
        return CLI_TROUBLE;
    }
    if (argv[1][0] == '-') return tool_option(argv[1]);
    const char *const *words = (const char *const *)argv + 1;
    size_t n = 0, known = 0;
    while (words[n] && words[n][0] != '-') n++;
    const cli_command *command = cli_find_command(words, n, &known);
    if (command) return run(command, argc - (int)known, argv + known);
    /* `wengert translate --help` */
    if (n == known && words[n] &&
        (strcmp(words[n], "--help") == 0 || strcmp(words[n], "-h") == 0)) {
        cli_help_group(stdout, words, n);
        return CLI_FINE;
    }
    return cli_unknown_command(words, n, known);
}

int cli_main(int argc, char **argv)
{
    occupy_standard_streams();
    /* A closed pipe is then an error of the write, which is reported. */
    signal(SIGPIPE, SIG_IGN);
    /* So is a file that grows beyond what `ulimit -f` allows. */
    signal(SIGXFSZ, SIG_IGN);
    int status = dispatch(argc, argv);
    int flushed = cli_flush();
    if (flushed == CLI_FINE && fclose(stdout) != 0 && errno != EBADF) {
        /* NFS and quotas report a full disk as late as this. */
        flushed = cli_error("cannot write standard output: %s", strerror(errno));
    }
    /* A signal's status says more than that its output was lost. */
    return flushed != CLI_FINE && status < 128 ? flushed : status;
}
