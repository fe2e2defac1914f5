/* The tool as users meet it: the real binary, its exit statuses, and which stream says what. */
#include "cli.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char tool[4096];
static char out[1 << 18], err[1 << 16];

/* bin/wengert of the build tree that this test lies in. */
static int find_tool(void **state)
{
    (void)state;
    const char *bin = getenv("WENGERT_BIN");
    if (bin) {
        snprintf(tool, sizeof tool, "%s/wengert", bin);
        return access(tool, X_OK);
    }
    char self[2048];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return -1;
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    snprintf(tool, sizeof tool, "%s/../bin/wengert", self);
    return access(tool, X_OK);
}

static void read_all(FILE *file, char *buf, size_t size)
{
    rewind(file);
    buf[fread(buf, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* Runs the tool with these words; fills `out` and `err`; returns the exit status. stdout goes to
 * the file `to` when it is given; "-" closes it. */
static int run_to(const char *to, const char *const *words)
{
    const char *argv[32] = {tool};
    size_t argc = 1;
    for (; words[argc - 1]; argc++) argv[argc] = words[argc - 1];
    argv[argc] = NULL;
    FILE *o = tmpfile(), *e = tmpfile();
    assert_non_null(o);
    assert_non_null(e);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int to_fd = to && *to != '-' ? open(to, O_WRONLY) : fileno(o);
        dup2(to_fd, STDOUT_FILENO);
        if (to && *to == '-') close(STDOUT_FILENO);
        dup2(fileno(e), STDERR_FILENO);
        execv(tool, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    read_all(o, out, sizeof out);
    read_all(e, err, sizeof err);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
#define RUN(...) run_to(NULL, (const char *const[]){__VA_ARGS__, NULL})

static void expect(const char *text, const char *wanted)
{
    if (!strstr(text, wanted)) fail_msg("'%s' is not in:\n%s", wanted, text);
}

static void test_help(void **state)
{
    (void)state;
    assert_int_equal(RUN("--help"), 0);
    expect(out, "Usage: wengert SUBCOMMAND");
    expect(out, "score bleu");
    assert_string_equal(err, "");
    assert_int_equal(RUN("help", "score", "bleu"), 0);
    expect(out, "Usage: wengert score bleu [OPTION]... REF");
    expect(out, "Examples:");
    static char first[sizeof out];
    strcpy(first, out);
    assert_int_equal(RUN("score", "bleu", "--help"), 0);
    assert_string_equal(out, first);
    assert_int_equal(RUN("score", "--help"), 0);
    expect(out, "score bleu");
    assert_null(strstr(out, "\x1b")); /* no colours in a file */
}

/* Every command of the table: help, manual page and configuration must come out, and each option
 * must stand in all of them. */
static void test_every_command(void **state)
{
    (void)state;
    for (size_t c = 0; cli_commands[c]; c++) {
        const cli_command *command = cli_commands[c];
        const char *words[CLI_MAX_PATH + 3] = {"help"};
        size_t n = 1;
        for (size_t i = 0; command->path[i]; i++) words[n++] = command->path[i];
        assert_int_equal(run_to(NULL, words), 0);
        for (const cli_option *o = command->options; o && o->name; o++) {
            char name[80];
            snprintf(name, sizeof name, "--%s", o->name);
            expect(out, name);
        }
        expect(out, "--dump-config");
        assert_non_null(command->examples);
        expect(out, command->examples[0].command);
        words[n] = "--man";
        assert_int_equal(run_to(NULL, words), 0);
        expect(out, ".TH WENGERT-");
        expect(out, ".SH EXIT STATUS");
        words[n] = "--dump-config";
        assert_int_equal(run_to(NULL, words + 1), 0);
        expect(out, "\"seed\":\t1");
    }
}

static void test_version(void **state)
{
    (void)state;
    assert_int_equal(RUN("--version"), 0);
    static const char *const wanted[] = {"wengert ",  "commit: ", "OpenBLAS ", "zlib ",    "libuv ",
                                         "utf8proc ", "cJSON ",   "isa: ",     "threads: "};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) expect(out, wanted[i]);
}

static void test_trouble(void **state)
{
    (void)state;
    assert_int_equal(run_to(NULL, (const char *const[]){NULL}), 2);
    assert_string_equal(out, "");
    expect(err, "Usage:");
    assert_int_equal(RUN("scoer"), 2);
    assert_string_equal(out, "");
    expect(err, "wengert: error: unknown subcommand 'scoer' (did you mean 'score'?)\n");
    assert_int_equal(RUN("score", "blue"), 2);
    expect(err, "(did you mean 'bleu'?)");
    assert_int_equal(RUN("score"), 2);
    expect(err, "'wengert score' needs a subcommand");
    assert_int_equal(RUN("--verison"), 2);
    expect(err, "(did you mean '--version'?)");
    assert_int_equal(RUN("--threads", "2", "score"), 2);
    expect(err, "comes after the subcommand");
    assert_int_equal(RUN("help", "help", "--plugin", "/nonexistent/x.so"), 2);
    expect(err, "/nonexistent/x.so");
    assert_int_equal(RUN("score", "bleu", "ref", "--config", "/nonexistent.json"), 2);
    expect(err, "cannot open configuration '/nonexistent.json': No such file or directory");
    assert_int_equal(RUN("help", "\x1b[2J"), 2);
    expect(err, "'\\x1b[2J'");
}

static void test_lost_output(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(run_to("/dev/full", (const char *const[]){"--help", NULL}), 2);
        expect(err, "cannot write standard output: No space left on device");
    }
    assert_int_equal(run_to("-", (const char *const[]){"--help", NULL}), 2);
    expect(err, "cannot write standard output");

    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    FILE *e = tmpfile();
    assert_non_null(e);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(fileno(e), STDERR_FILENO);
        execl(tool, tool, "--help", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    read_all(e, err, sizeof err);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 2);
    expect(err, "cannot write standard output: Broken pipe");
}

/* The scripts are accepted by their shells, where these are installed. */
static void test_completion(void **state)
{
    (void)state;
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(RUN("help", "--completion", shells[i]), 0);
        for (size_t c = 0; cli_commands[c]; c++)
            for (const cli_option *o = cli_commands[c]->options; o && o->name; o++)
                expect(out, o->name);
        char command[8192];
        snprintf(command, sizeof command,
                 "! command -v %s >/dev/null || '%s' help --completion %s | %s -n /dev/stdin",
                 shells[i], tool, shells[i], shells[i]);
        assert_int_equal(system(command), 0);
    }
    char command[8192];
    snprintf(command, sizeof command,
             "command -v bash >/dev/null || exit 0\n"
             "bash --norc -c '. <(\"%s\" help --completion bash)\n"
             "compopt() { :; }\n"
             "COMP_WORDS=(wengert help --completion f); COMP_CWORD=3; _wengert\n"
             "[ \"${COMPREPLY[*]}\" = fish ] || exit 1\n"
             "COMP_WORDS=(wengert score bleu --low); COMP_CWORD=3; _wengert\n"
             "[ \"${COMPREPLY[*]}\" = --lowercase ] || exit 1\n"
             "COMP_WORDS=(wengert sc); COMP_CWORD=1; _wengert\n"
             "[ \"${COMPREPLY[*]}\" = score ] || exit 1'",
             tool);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),        cmocka_unit_test(test_every_command),
        cmocka_unit_test(test_version),     cmocka_unit_test(test_trouble),
        cmocka_unit_test(test_lost_output), cmocka_unit_test(test_completion),
    };
    return cmocka_run_group_tests(tests, find_tool, NULL);
}
