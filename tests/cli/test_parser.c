/* The option parser by itself: kinds, ranges, precedence, operands, edit distance, numbers. What
 * the parser prints goes to a file that the tests read. */
#include "internal.h"
#include "support.h"

#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run_nothing(const cli_args *args)
{
    (void)args;
    return CLI_FINE;
}

static const cli_command subject = {
    .path = {"test", "subject"},
    .summary = "a command for tests",
    .operands =
        (const cli_operand[]){
            {.name = "FIRST", .help = "first"},
            {.name = "KIND",
             .help = "kind",
             .optional = true,
             .choices = CLI_CHOICES("red", "blue")},
            {.name = "REST", .help = "rest", .optional = true, .repeat = true},
            {0},
        },
    .options =
        (const cli_option[]){
            {.name = "beam-size",
             .letter = 'b',
             .kind = CLI_INT,
             .fallback = "5",
             .min = 1,
             .max = 100,
             .help = "beam"},
            {.name = "offset", .kind = CLI_INT, .help = "any integer"},
            {.name = "lr",
             .kind = CLI_FLOAT,
             .fallback = "0.5",
             .min = 0,
             .above_min = true,
             .max = CLI_NO_LIMIT,
             .help = "rate"},
            {.name = "attention",
             .kind = CLI_CHOICE,
             .fallback = "dot",
             .choices = CLI_CHOICES("none", "dot", "general"),
             .help = "attention"},
            {.name = "verbose", .letter = 'v', .kind = CLI_FLAG, .help = "flag"},
            {.name = "shuffle", .kind = CLI_FLAG, .fallback = "true", .help = "flag, on"},
            {.name = "out", .kind = CLI_PATH, .required = true, .help = "where"},
            {.name = "tag", .kind = CLI_STRINGS, .help = "list"},
            {0},
        },
    .run = run_nothing,
};

static char messages[4096];

/* Parses a NULL-terminated list of words; what it says is left in `messages`. */
static cli_outcome parse(cli_args *args, const char *config, const char *const *words)
{
    char *argv[32] = {(char *)"subject"};
    int argc = 1;
    while (words[argc - 1]) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
        argc++;
    }
    char path[] = "/tmp/wengert-cli-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    unlink(path);
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    assert_true(cli_args_init(args, &subject));
    cli_outcome outcome = cli_parse(args, argc, argv);
    if (outcome == CLI_PARSED && config) outcome = cli_config_load(args, config);
    if (outcome == CLI_PARSED) outcome = cli_check_required(args);
    if (outcome == CLI_PARSED) outcome = cli_check_operands(args);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t n = pread(file, messages, sizeof messages - 1, 0);
    messages[n < 0 ? 0 : n] = '\0';
    close(file);
    return outcome;
}
#define PARSE(args, ...) parse((args), NULL, (const char *const[]){__VA_ARGS__, NULL})

static void expect_message(const char *wanted)
{
    if (!strstr(messages, wanted)) fail_msg("'%s' is not in '%s'", wanted, messages);
}

#define EXPECT_FAIL(text, ...)                             \
    do {                                                   \
        cli_args args_;                                    \
        cli_outcome outcome_ = PARSE(&args_, __VA_ARGS__); \
        cli_args_free(&args_);                             \
        assert_int_equal(outcome_, CLI_PARSE_FAILED);      \
        expect_message(text);                              \
    } while (0)

static void test_defaults(void **state)
{
    (void)state;
    cli_args args;
    assert_int_equal(PARSE(&args, "--out", "d", "x"), CLI_PARSED);
    assert_int_equal(cli_int(&args, "beam-size"), 5);
    assert_int_equal(cli_int(&args, "offset"), 0);
    WGT_NEAR(cli_float(&args, "lr"), 0.5, 0);
    assert_string_equal(cli_string(&args, "attention"), "dot");
    assert_int_equal(cli_choice(&args, "attention"), 1);
    assert_false(cli_flag(&args, "verbose"));
    assert_true(cli_flag(&args, "shuffle"));
    assert_false(cli_given(&args, "beam-size"));
    assert_true(cli_given(&args, "out"));
    assert_int_equal(cli_int(&args, "threads"), 0);
    assert_int_equal(cli_int(&args, "seed"), 1);
    size_t n = 9;
    assert_null(cli_strings(&args, "tag", &n));
    assert_int_equal(n, 0);
    assert_string_equal(cli_arg(&args, "FIRST"), "x");
    assert_null(cli_arg(&args, "KIND"));
    assert_null(cli_arg_list(&args, "REST", &n));
    assert_int_equal(n, 0);
    cli_args_free(&args);
}

static void test_values(void **state)
{
    (void)state;
    cli_args args;
    assert_int_equal(PARSE(&args, "-b12", "x", "--lr=1e-3", "--no-shuffle", "blue", "--out", "d",
                           "--tag", "a", "--tag", "b", "-v", "--offset", "-9223372036854775808",
                           "--", "--tag"),
                     CLI_PARSED);
    assert_int_equal(cli_int(&args, "beam-size"), 12);
    assert_true(cli_int(&args, "offset") == INT64_MIN);
    WGT_NEAR(cli_float(&args, "lr"), 1e-3, 0);
    assert_false(cli_flag(&args, "shuffle"));
    assert_true(cli_flag(&args, "verbose"));
    size_t n;
    const char *const *tags = cli_strings(&args, "tag", &n);
    assert_int_equal(n, 2);
    assert_string_equal(tags[0], "a");
    assert_string_equal(tags[1], "b");
    assert_string_equal(cli_arg(&args, "KIND"), "blue");
    const char *const *rest = cli_arg_list(&args, "REST", &n);
    assert_int_equal(n, 1);
    assert_string_equal(rest[0], "--tag");
    cli_args_free(&args);
}

static void test_errors(void **state)
{
    (void)state;
    EXPECT_FAIL("unknown option '--beam-sise' (did you mean '--beam-size'?)", "--beam-sise", "3");
    EXPECT_FAIL("unknown option '--frobnicate'\n", "--frobnicate=x");
    EXPECT_FAIL("unknown option '-z'", "-z");
    EXPECT_FAIL("option '--s' is ambiguous: --shuffle, --seed", "--s");
    EXPECT_FAIL("option '--beam-size' needs a value (N)", "--out", "d", "x", "-b");
    EXPECT_FAIL("option '--verbose' takes no value", "--verbose=1");
    EXPECT_FAIL("option '--no-shuffle' takes no value", "--no-shuffle=1");
    EXPECT_FAIL("option '--beam-size': '101' is not an integer in the allowed range (1 to 100)",
                "-b", "101");
    EXPECT_FAIL("(1 to 100)", "-b", "0");
    EXPECT_FAIL("(1 to 100)", "-b", "1.0");
    EXPECT_FAIL("(1 to 100)", "-b", "");
    EXPECT_FAIL("(1 to 100)", "-b", " 1");
    EXPECT_FAIL("option '--offset': '9223372036854775808' is not an integer", "--offset",
                "9223372036854775808");
    EXPECT_FAIL("option '--lr': '0' is not a number in the allowed range (above 0)", "--lr", "0");
    EXPECT_FAIL("'nan'", "--lr", "nan");
    EXPECT_FAIL("'inf'", "--lr", "inf");
    EXPECT_FAIL("'0x1p3'", "--lr", "0x1p3");
    EXPECT_FAIL("'1e999'", "--lr", "1e999");
    EXPECT_FAIL("'0,5'", "--lr", "0,5");
    EXPECT_FAIL("'genral' is not one of none, dot, general (did you mean 'general'?)",
                "--attention", "genral");
    EXPECT_FAIL("option '--out FILE' is required", "x");
    EXPECT_FAIL("missing operand FIRST", "--out", "d");
    EXPECT_FAIL("'bleu' is not a valid KIND (did you mean 'blue'?)", "--out", "d", "x", "bleu");
    EXPECT_FAIL("See 'wengert test subject --help'.", "--nothing");
    /* What came in with the arguments must not steer the terminal. */
    EXPECT_FAIL("'--\\x1b[2J\\x0a'", "--\x1b[2J\n");
}

static void test_config(void **state)
{
    (void)state;
    char dir[256], path[300];
    assert_true(wgt_temp_dir(dir));
    snprintf(path, sizeof path, "%s/c.json", dir);
    static const struct {
        const char *json;
        const char *message; /* NULL: fine */
    } cases[] = {
        {"{\"beam_size\": 7, \"verbose\": true, \"tag\": [\"p\", \"q\"], \"offset\": null}", NULL},
        {" {} \n", NULL},
        {"{\"beam-size\": 7}", "c.json: unknown key 'beam-size' (did you mean 'beam_size'?)"},
        {"{\"beam_sise\": 7}", "unknown key 'beam_sise' (did you mean 'beam_size'?)"},
        {"{\"config\": \"x\"}", "unknown key 'config'"},
        {"{\"beam_size\": 700}", "c.json: key 'beam_size': '700' is not an integer in the allowed"},
        {"{\"beam_size\": \"7x\"}", "'7x' is not an integer"},
        {"{\"beam_size\": 1.5}", "must be an integer"},
        {"{\"offset\": 1e300}", "must be an integer"},
        {"{\"verbose\": \"true\"}", "must be true or false, not a string"},
        {"{\"tag\": \"p\"}", "must be an array of strings, not a string"},
        {"{\"tag\": [1]}", "must be an array of strings"},
        {"{\"out\": {}}", "must be a string, not an object"},
        {"{\"attention\": \"dots\"}", "(did you mean 'dot'?)"},
        {"{\"lr\": 0.25, \"lr\": 0.5}", "key 'lr' stands there twice"},
        {"{\"lr\": \n 0.25", "c.json:2: not valid JSON"},
        {"{} {}", "not valid JSON"},
        {"", "not valid JSON"},
        {"3", "must hold a JSON object, not a number"},
        {"{\"\\u001b[2J\": 3}", "unknown key '\\x1b[2J'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(cases[i].json, file);
        assert_int_equal(fclose(file), 0);
        cli_args args;
        cli_outcome outcome = parse(&args, path, (const char *const[]){"--out", "d", "x", NULL});
        if (cases[i].message) {
            if (outcome != CLI_PARSE_FAILED) fail_msg("accepted: %s", cases[i].json);
            expect_message(cases[i].message);
        } else if (outcome != CLI_PARSED) {
            fail_msg("%s: %s", cases[i].json, messages);
        }
        cli_args_free(&args);
    }
    wgt_remove_tree(dir);
}

/* Default < file < command line, whichever is read first; a list is replaced as a whole. */
static void test_precedence(void **state)
{
    (void)state;
    char dir[256], path[300];
    assert_true(wgt_temp_dir(dir));
    snprintf(path, sizeof path, "%s/c.json", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"beam_size\": 7, \"lr\": 0.125, \"shuffle\": false, \"verbose\": true, "
          "\"tag\": [\"p\", \"q\"], \"seed\": \"9223372036854775807\", \"out\": \"from-file\"}",
          file);
    assert_int_equal(fclose(file), 0);
    cli_args args;
    assert_int_equal(
        parse(&args, path,
              (const char *const[]){"-b", "9", "--no-verbose", "--tag", "r", "x", NULL}),
        CLI_PARSED);
    assert_int_equal(cli_int(&args, "beam-size"), 9);
    WGT_NEAR(cli_float(&args, "lr"), 0.125, 0);
    assert_false(cli_flag(&args, "shuffle"));
    assert_false(cli_flag(&args, "verbose"));
    assert_true(cli_int(&args, "seed") == INT64_MAX);
    assert_string_equal(cli_string(&args, "out"), "from-file");
    assert_true(cli_given(&args, "out"));
    assert_string_equal(cli_string(&args, "attention"), "dot");
    size_t n;
    const char *const *tags = cli_strings(&args, "tag", &n);
    assert_int_equal(n, 1);
    assert_string_equal(tags[0], "r");

    /* What is dumped reads back as the same values. */
    char *first = cli_config_json(&args);
    assert_non_null(first);
    cli_args_free(&args);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(first, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(parse(&args, path, (const char *const[]){"x", NULL}), CLI_PARSED);
    char *second = cli_config_json(&args);
    assert_non_null(second);
    assert_string_equal(first, second);
    free(first);
    free(second);
    cli_args_free(&args);
    wgt_remove_tree(dir);
}

static void test_numbers(void **state)
{
    (void)state;
    /* German has a decimal comma; absent locales change nothing, then the test is of "C" again. */
    setlocale(LC_ALL, "de_DE.UTF-8");
    double x;
    int64_t i;
    assert_true(cli_parse_float("1.5", &x));
    WGT_NEAR(x, 1.5, 0);
    assert_false(cli_parse_float("1,5", &x));
    assert_true(cli_parse_float("-2e-3", &x));
    WGT_NEAR(x, -2e-3, 0);
    assert_false(cli_parse_float("1e", &x));
    assert_false(cli_parse_float(".", &x));
    assert_false(cli_parse_float("1.5 ", &x));
    assert_true(cli_parse_int("+7", &i));
    assert_int_equal(i, 7);
    assert_false(cli_parse_int("-", &i));
    assert_false(cli_parse_int("1_000", &i));
    setlocale(LC_ALL, "C");
}

static const char *nearest(const char *word, const char *const *names)
{
    cli_nearest n = {0};
    for (; *names; names++) cli_nearest_try(&n, word, *names);
    return n.best;
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = {"train", "translate", "run", "score", NULL};
    assert_string_equal(nearest("trian", names), "train");
    assert_string_equal(nearest("tran", names), "train");
    assert_string_equal(nearest("sc", names), "score");
    assert_string_equal(nearest("scoer", names), "score");
    assert_null(nearest("elephant", names));
    assert_null(nearest("", names));
    char word[5000];
    memset(word, 't', sizeof word);
    word[sizeof word - 1] = '\0';
    assert_null(nearest(word, names));
}

static void expect_escaped(const char *text, size_t n, const char *wanted)
{
    char *safe = cli_escape(text, n);
    assert_non_null(safe);
    assert_string_equal(safe, wanted);
    free(safe);
}

static void test_escape(void **state)
{
    (void)state;
    expect_escaped("na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x99\x82\t.", 20,
                   "na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x99\x82\t.");
    expect_escaped("\x1b]0;x\a\r\n\x7f", 9, "\\x1b]0;x\\x07\\x0d\\x0a\\x7f");
    expect_escaped("a\0b", 3, "a\\x00b");
    expect_escaped("\xff\xc3", 2, "\\xff\\xc3");
    expect_escaped("\xc2\x9b"
                   "31m",
                   5, "\\u009b31m");
    expect_escaped("\xe2\x80\xae"
                   "txt.exe",
                   10, "\\u202etxt.exe");
    expect_escaped("\xc0\xaf\xed\xa0\x80", 5, "\\xc0\\xaf\\xed\\xa0\\x80");
    expect_escaped("", 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),   cmocka_unit_test(test_values),
        cmocka_unit_test(test_errors),     cmocka_unit_test(test_config),
        cmocka_unit_test(test_precedence), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_nearest),    cmocka_unit_test(test_escape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
