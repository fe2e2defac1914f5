/* `wengert new cell`: what it writes, what it refuses, and that the lines it prints lead from there
 * to a plugin that passes its gradient check, against this build tree. */
#include "tool_test.h"

static char text[1 << 16];

static int new_cell(const char *words)
{
    char command[8192];
    snprintf(command, sizeof command, "'%s' new cell %s", tool, words);
    return shell_into(text, sizeof text, command);
}

static void expect(const char *wanted)
{
    if (!strstr(text, wanted)) fail_msg("'%s' is not in:\n%s", wanted, text);
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "2fast", "a-b", "'a b'", "''", "../x", "'x\ny'", "\xc3\xa9t\xc3\xa9", "x/y"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char words[300];
        snprintf(words, sizeof words, "--out '%s' -- %s", dir, wrong[i]);
        assert_int_equal(new_cell(words), 2);
        expect("is not a C identifier");
    }
    char words[512];
    snprintf(words, sizeof words, "while --out '%s'", dir);
    assert_int_equal(new_cell(words), 2);
    expect("'while' is a word of the C language");
    snprintf(words, sizeof words, "wg_mine --out '%s'", dir);
    assert_int_equal(new_cell(words), 2);
    snprintf(words, sizeof words, "lstm --out '%s'", dir);
    assert_int_equal(new_cell(words), 2);
    expect("a cell 'lstm' is there already");
    snprintf(words, sizeof words, "mine --out '%s/nowhere'", dir);
    assert_int_equal(new_cell(words), 2);
    expect("No such file or directory");
    assert_int_equal(new_cell(""), 2);
    expect("missing operand NAME");
    snprintf(words, sizeof words, "ls -A '%s'", dir);
    assert_int_equal(shell_into(text, sizeof text, words), 0);
    assert_string_equal(text, ""); /* nothing was written on the way */
}

static void test_never_overwrites(void **state)
{
    (void)state;
    char words[1024], path[512];
    snprintf(words, sizeof words, "mine --out '%s'", dir);
    snprintf(path, sizeof path, "%s/mine.c", dir);
    assert_int_equal(new_cell(words), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("edited\n", file);
    fclose(file);
    assert_int_equal(new_cell(words), 2);
    expect("exists already; nothing was written");
    snprintf(words, sizeof words, "cat '%s'", path);
    assert_int_equal(shell_into(text, sizeof text, words), 0);
    assert_string_equal(text, "edited\n");
    unlink(path);
    /* A link that dangles is not followed. */
    assert_int_equal(symlink("elsewhere.c", path), 0);
    snprintf(words, sizeof words, "mine --out '%s'", dir);
    assert_int_equal(new_cell(words), 2);
    unlink(path);
}

/* The line after `heading`, as it was printed. */
static void printed(const char *heading, char *line, size_t size)
{
    char *at = strstr(text, heading);
    if (!at) fail_msg("'%s' is not in:\n%s", heading, text);
    at += strlen(heading);
    at += strspn(at, " \n");
    snprintf(line, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static void must(const char *command)
{
    if (shell_into(text, sizeof text, command) != 0) fail_msg("%s\n%s", command, text);
}

/* From nothing to a cell that is built with the line that is printed (with warnings as errors on
 * top), passes the gradient check that is printed, has right second derivatives, and trains a small
 * translator with the line that is printed: its loss falls, and the model names what it needs. */
static void test_from_nothing_to_training(void **state)
{
    (void)state;
    if (shell_into(text, sizeof text, "command -v pkg-config && command -v cc") != 0) skip();
    char words[512], build[8192], check[8192], command[9000];
    snprintf(words, sizeof words, "my_cell --out '%s'", dir);
    assert_int_equal(new_cell(words), 0);
    expect(" translate train --plugin ");
    printed("Build it:", build, sizeof build);
    printed("Check its gradients:", check, sizeof check);
    assert_int_equal(strncmp(build, "cc ", 3), 0);
    snprintf(command, sizeof command, "cc -Wall -Wextra -Wshadow -Wmissing-prototypes -Werror %s",
             build + 3);
    must(command);
    snprintf(command, sizeof command, "! grep -q @NAME@ '%s/my_cell.c'", dir);
    must(command);
    /* A plugin leaves nothing of wengert to be resolved. */
    snprintf(command, sizeof command, "! nm -D --undefined-only '%s/my_cell.so' | grep wg_", dir);
    must(command);
    must(check);
    expect("cell my_cell: gradient check: passed");
    snprintf(command, sizeof command, "%s --order 2", check);
    must(command);
    expect("order 2");

    char train[8192];
    snprintf(command, sizeof command,
             "cd '%s' && head -n 300 '%s/examples/data/train.en' >train.en && "
             "head -n 300 '%s/examples/data/train.fr' >train.fr",
             dir, WGT_SOURCE_DIR, WGT_SOURCE_DIR);
    must(command);
    snprintf(words, sizeof words, "again --out '%s'", dir);
    assert_int_equal(new_cell(words), 0);
    printed("Build it:", build, sizeof build);
    printed("Train a translator with it:", train, sizeof train);
    must(build);
    snprintf(
        command, sizeof command,
        "cd '%s' && %s --hidden 16 --embed 12 --layers 1 --epochs 3 --lr 0.02 --threads 1 --seed 1",
        dir, train);
    must(command);
    double first = 0, last = 0;
    const char *at = strstr(text, "epoch 1: loss ");
    if (!at || sscanf(at, "epoch 1: loss %lf", &first) != 1) fail_msg("no loss in:\n%s", text);
    at = strstr(text, "epoch 3: loss ");
    if (!at || sscanf(at, "epoch 3: loss %lf", &last) != 1) fail_msg("no loss in:\n%s", text);
    if (!(last < first)) fail_msg("the loss does not fall:\n%s", text);
    snprintf(command, sizeof command,
             "cd '%s' && head -n 2 train.en | '%s' translate run --model model", dir, tool);
    assert_int_equal(shell_into(text, sizeof text, command), 2);
    expect("needs the cell 'again'");
    expect("--plugin");
    snprintf(command, sizeof command,
             "cd '%s' && head -n 2 train.en | '%s' translate run --plugin ./again.so --model model "
             "| wc -l",
             dir, tool);
    must(command);
    assert_int_equal(atoi(text), 2);
}

/* A mistake in the step is reported with its line; a wrong gradient cannot be written here, as the
 * rules are the ops', so the check's failure is tested with ops (test_gradcheck). */
static void test_mistake(void **state)
{
    (void)state;
    if (shell_into(text, sizeof text, "command -v pkg-config && command -v cc") != 0) skip();
    char words[512], build[8192], check[8192], command[9000];
    snprintf(words, sizeof words, "wrong --out '%s'", dir);
    assert_int_equal(new_cell(words), 0);
    printed("Build it:", build, sizeof build);
    printed("Check its gradients:", check, sizeof check);
    snprintf(command, sizeof command,
             "sed -i 's/\"Uc\", .shape = \"H,H\"/\"Uc\", .shape = \"X,H\"/' "
             "'%s/wrong.c'",
             dir);
    must(command);
    must(build);
    assert_int_equal(shell_into(text, sizeof text, check), 2);
    expect("inner sizes differ");
    expect("wrong.c:");
    snprintf(command, sizeof command, "sed -i 's/wg_p(s, \"Uc\")/wg_p(s, \"Ux\")/' '%s/wrong.c'",
             dir);
    must(command);
    must(build);
    assert_int_equal(shell_into(text, sizeof text, check), 2);
    expect("has no parameter 'Ux'; did you mean 'U");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_never_overwrites),
        cmocka_unit_test(test_from_nothing_to_training),
        cmocka_unit_test(test_mistake),
    };
    return cmocka_run_group_tests(tests, set_up_tool, tear_down_tool);
}
