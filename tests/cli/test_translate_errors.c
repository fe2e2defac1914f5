/* wengert translate and bad input: each kind has a message that names what is wrong, exit status 2,
 * and leaves everything that was there as it was. */
#include "translate_test.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include <wengert/statefile.h>

#define TRAIN "$T translate train " TOY_MODEL

/* The command fails as it should and says `first` and `second` (NULL: nothing more). */
static void refused(const char *command, const char *first, const char *second)
{
    int status = shell(command);
    if (status != 2 || !strstr(err, first) || (second && !strstr(err, second)))
        print_error("%s\n  gave status %d and said: %s", command, status, err);
    assert_int_equal(status, 2);
    assert_non_null(strstr(err, first));
    if (second) assert_non_null(strstr(err, second));
    assert_non_null(strstr(err, "wengert: error: "));
}

/* Training with these options is refused, and no directory is made. */
static void no_training(const char *options, const char *first, const char *second)
{
    char command[2048];
    snprintf(command, sizeof command, TRAIN "%s --out new", options);
    refused(command, first, second);
    assert_false(exists("new"));
}

static void learn_once(void)
{
    if (exists("model")) return;
    assert_int_equal(shell("$T translate train " TOY "--epochs 1 --out model"), 0);
}

static void test_texts(void **state)
{
    (void)state;
    write_text("short", "one\ntwo\n");
    write_text("empty", "");
    write_text("blank", "\n \n\n");
    write_text("bad", "un deux\ntr\xFFis\nun\n");
    write_text("three", "one\ntwo\nthree\n");
    write_text("single", "un\n");
    no_training("--source missing --target t", "missing", "No such file");
    no_training("--source s --target t --valid-source s --valid-target missing", "missing",
                "No such file");
    no_training("--source s --target t --valid-source s", "--valid-target", NULL);
    no_training("--source s --target short", "400", "2");
    no_training("--source s --target t --valid-source short --valid-target three", "2", "3");
    no_training("--source empty --target empty", "empty", NULL);
    no_training("--source blank --target blank", "blank", NULL);
    no_training("--source bad --target three", "bad", "2");
    no_training("--source three --target bad", "UTF-8", NULL);
    no_training("--source single --target single", "single pair", NULL);
    no_training("--source . --target t", "irectory", NULL);
    no_training("--source s --target t --min-count 1000000", "s: no word occurs 1000000 times",
                "--min-count");
    assert_int_equal(shell("gzip -c s > s.gz; head -c 60 s.gz > cut.gz"), 0);
    no_training("--source cut.gz --target t", "cut.gz", NULL);
}

static void test_a_line_of_a_million_words(void **state)
{
    (void)state;
    assert_int_equal(
        shell(
            "{ head -3 s; yes un | head -1000000 | tr '\\n' ' '; echo; } > long; head -4 t > four"),
        0);
    no_training("--source long --target four", "long", "4");
    learn_once();
    refused("$T translate run --threads 1 --model model < long", "standard input", "4");
    /* The lines before it are not lost. */
    int lines = 0;
    for (const char *c = out; *c; c++) lines += *c == '\n';
    assert_int_equal(lines, 3);
}

/* These are not errors: the training goes on, and says what it did. */
static void test_oddities_are_said(void **state)
{
    (void)state;
    assert_int_equal(shell("sed 's/$/\\r/' s > s.crlf && sed '5s/.*//' t > t.hole"), 0);
    assert_int_equal(shell("$T translate train " TOY_MODEL
                           "--source s.crlf --target t.hole --epochs 1 --out odd"),
                     0);
    assert_non_null(strstr(err, "400 lines end in CR LF"));
    assert_non_null(strstr(err, "1 of 400 pairs have an empty side"));
    assert_non_null(strstr(err, "line 5"));
    assert_int_equal(shell("$T translate train " TOY_MODEL
                           "--source s --target t --max-length 5 --epochs 1 --out odd2"),
                     0);
    assert_non_null(strstr(err, "80 pairs"));
}

static void test_options(void **state)
{
    (void)state;
    no_training("--source s --target t --hiden 3", "--hidden", NULL);
    no_training("--source s --target t --dropout 1.5", "--dropout", NULL);
    no_training("--source s --target t --cell nosuch", "nosuch", "lstm");
    no_training("--source s --target t --hyper forget_bias", "NAME=NUMBER", NULL);
    no_training("--source s --target t --hyper nosuch=1", "nosuch", "forget_bias");
    /* Before texts are read, which may take long. */
    assert_null(strstr(err, "held out"));
    no_training("--source s --target t --hidden 33", "hidden", NULL);
    refused("$T translate train --source s --target t", "--out", NULL);
    refused("$T translate train --source s --target t --out ''", "--out", NULL);
    learn_once();
    refused("$T translate run --model model --beam-size 2 --n-best 3 < s", "--n-best 3", NULL);
    refused("$T translate run --model model --bem-size 2 < s", "--beam-size", NULL);
    refused("$T translate run --model nosuch < s", "nosuch", NULL);
    refused("$T translate run --model s < s", "s", NULL);
    assert_int_equal(shell(TRAIN "--source s --target t --attention none --epochs 1 --out plain"),
                     0);
    refused("$T translate run --model plain --attention a.svg < s", "attention", NULL);
    refused("$T translate run --model plain --replace-unk < s", "attention", NULL);
    assert_false(exists("a.svg"));
}

static void test_directories(void **state)
{
    (void)state;
    learn_once();
    size_t before_size, after_size;
    char *before = slurp("model/model.npz", &before_size);
    refused(TRAIN "--source s --target t --out model", "not empty", "--resume");
    refused(TRAIN "--source s --target t --out s", "s: ", NULL);
    refused(TRAIN "--source s --target t --out no/where", "no", NULL);
    refused(TRAIN "--source s --target t --out fresh --resume", "fresh", NULL);
    assert_int_equal(shell("mkdir void"), 0);
    refused(TRAIN "--source s --target t --out void --resume", "void/last.npz", NULL);
    char *after = slurp("model/model.npz", &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(before);
    free(after);
    assert_int_equal(shell("mkdir locked && chmod 500 locked"), 0);
    char path[4096];
    path_of(path, sizeof path, "locked");
    if (access(path, W_OK) == 0) return; /* the superuser may write anywhere */
    refused(TRAIN "--source s --target t --out locked", "locked", "denied");
    refused(TRAIN "--source s --target t --out locked/in", "locked", "denied");
}

static void test_resume_needs_the_same(void **state)
{
    (void)state;
    learn_once();
    refused(TRAIN "--source s --target t --epochs 2 --lr 0.02 --out model --resume", "--lr is 0.02",
            "0.01");
    refused(TRAIN "--source s --target t --epochs 2 --cell gru --out model --resume",
            "--cell is \"gru\"", "lstm");
    refused(TRAIN "--source t --target s --epochs 2 --out model --resume", "not the text", "t");
    refused(TRAIN "--source s --target t --valid-source s --valid-target t --epochs 2 --out model "
                  "--resume",
            "validation set", NULL);
}

/* ---- model files ---- */

static wg_state *load(const char *name)
{
    char path[4096];
    wg_error why;
    wg_state *tree;
    path_of(path, sizeof path, name);
    WGT_OK(wg_state_load(path, &tree, &why), &why);
    return tree;
}

/* Saves a copy of model/model.npz in which the entry `name` is left out (tensor NULL and text
 * NULL), or is another tensor or text. */
static void save_with(const char *to, const char *name, wg_tensor *tensor, const char *text)
{
    wg_state *tree = load("model/model.npz"), *copy;
    wg_error why;
    bool found = false;
    WGT_OK(wg_state_new(&copy, &why), &why);
    for (int i = 0; i < wg_state_count(tree); i++) {
        const char *entry = wg_state_name(tree, i);
        bool this = strcmp(entry, name) == 0;
        size_t n = 0;
        const char *words = wg_state_text_at(tree, i, &n);
        found |= this;
        if (this && tensor)
            WGT_OK(wg_state_put_tensor(copy, entry, tensor, &why), &why);
        else if (this && text)
            WGT_OK(wg_state_put_text(copy, entry, text, strlen(text), &why), &why);
        else if (!this && words)
            WGT_OK(wg_state_put_text(copy, entry, words, n, &why), &why);
        else if (!this)
            WGT_OK(wg_state_ref_tensor(copy, entry, wg_state_tensor_at(tree, i), &why), &why);
    }
    assert_true(found);
    char path[4096];
    path_of(path, sizeof path, to);
    WGT_OK(wg_state_save(path, copy, NULL, &why), &why);
    wg_state_free(copy);
    wg_state_free(tree);
}

/* config.json of the model with the first `from` in it replaced. */
static char *config_with(const char *from, const char *to)
{
    wg_state *tree = load("model/model.npz");
    const char *text = wg_state_text(tree, "config.json", NULL);
    const char *at = strstr(text, from);
    assert_non_null(at);
    size_t size = strlen(text) + strlen(to) + 1;
    char *result = malloc(size);
    assert_non_null(result);
    snprintf(result, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    wg_state_free(tree);
    return result;
}

static void refused_config(const char *from, const char *to, const char *first, const char *second)
{
    char *text = config_with(from, to);
    save_with("wrong.npz", "config.json", NULL, text);
    free(text);
    refused("$T translate run --model wrong.npz < s", first, second);
    assert_string_equal(out, "");
}

static void test_model_files(void **state)
{
    (void)state;
    learn_once();
    size_t size;
    char *bytes = slurp("model/model.npz", &size);
    for (size_t part = 0; part < 8; part++) {
        write_bytes("cut.npz", bytes, size * part / 8);
        refused("$T translate run --model cut.npz < s", "cut.npz", NULL);
    }
    bytes[size / 2] ^= 0x55;
    write_bytes("flipped.npz", bytes, size);
    refused("$T translate run --model flipped.npz < s", "flipped.npz", NULL);
    free(bytes);

    save_with("missing.npz", "model/src.embed", NULL, NULL);
    refused("$T translate run --model missing.npz < s", "'model/src.embed' is missing", NULL);
    save_with("missing.npz", "target.vocab", NULL, NULL);
    refused("$T translate run --model missing.npz < s", "'target.vocab' is missing", NULL);
    save_with("missing.npz", "config.json", NULL, NULL);
    refused("$T translate run --model missing.npz < s", "config.json", NULL);

    wg_tensor *tensor;
    WGT_OK(wg_tensor_new(WG_F32, WG_SHAPE(3, 5), &tensor, NULL), NULL);
    save_with("shape.npz", "model/src.embed", tensor, NULL);
    refused("$T translate run --model shape.npz < s", "'model/src.embed' is [3,5]",
            "must be [14,16]");
    save_with("vocab.npz", "source.vocab", NULL, "nonsense");
    refused("$T translate run --model vocab.npz < s", "vocab.npz: source.vocab", NULL);

    refused_config("\"format_version\":\t1", "\"format_version\":\t99", "newer", "99");
    refused_config("wengert.translator", "another.thing", "another.thing", NULL);
    refused_config("\"cell\":\t\"lstm\"", "\"cell\":\t\"my.cell\"", "my.cell", "--plugin");
    refused_config("\"hidden\":\t32", "\"hidden\":\t2000000000", "wrong.npz", NULL);
    refused_config("\"hidden\":\t32", "\"hidden\":\t-1", "model.hidden", NULL);
    refused_config("\"cell_version\":\t1", "\"cell_version\":\t7", "version 7 of the cell 'lstm'",
                   "version 1");
    refused_config("\"source_vocab\":\t14", "\"source_vocab\":\t15", "source.vocab", "14");
    refused_config("{", "[", "JSON", NULL);
}

/* A cell from a plugin: the model says that it needs one, and works with it. */
static void test_plugin_cell(void **state)
{
    (void)state;
    char command[9000], plugin[4096];
    const char *where = getenv("WENGERT_PLUGINS");
    snprintf(plugin, sizeof plugin, "%s/mgu.so",
             where && *where ? where : WGT_BUILD_DIR "/plugins");
    if (access(plugin, R_OK) != 0) {
        print_message("%s is not built\n", plugin);
        skip();
    }
    snprintf(command, sizeof command,
             "$T translate train " TOY "--plugin '%s' --cell mgu --epochs 1 --out mgu", plugin);
    assert_int_equal(shell(command), 0);
    refused("$T translate run --threads 1 --model mgu < s", "'mgu'", "--plugin");
    snprintf(command, sizeof command,
             "head -3 s | $T translate run --threads 1 --plugin '%s' --model mgu | wc -l", plugin);
    assert_int_equal(shell(command), 0);
    assert_int_equal(atoi(out), 3);
}

static void test_run_input(void **state)
{
    (void)state;
    learn_once();
    write_text("invalid", "un\ndeux\nb\xC3\n");
    refused("$T translate run --threads 1 --model model < invalid", "standard input:3", "UTF-8");
    int lines = 0;
    for (const char *c = out; *c; c++) lines += *c == '\n';
    assert_int_equal(lines, 2);
}

/* ---- no room ---- */

/* Runs the command where no file may grow beyond `most` bytes. */
static int shell_with_limit(const char *command, rlim_t most)
{
    char line[9000];
    snprintf(line, sizeof line, "cd '%s' && T='%s' && { %s\n} 2> err.txt", dir, tool, command);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN); /* a write fails then, as on a full disk */
        const struct rlimit limit = {most, most};
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(98);
        execl("/bin/sh", "sh", "-c", line, NULL);
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    read_back("err.txt", err, sizeof err);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_full_disk(void **state)
{
    (void)state;
    assert_int_equal(shell("$T translate train " TOY "--epochs 1 --out disk"), 0);
    size_t before_size, after_size;
    char *before = slurp("disk/model.npz", &before_size);
    assert_true(before_size > 16384);
    assert_int_equal(
        shell_with_limit("$T translate train " TOY "--epochs 3 --out disk --resume", 16384), 2);
    assert_non_null(strstr(err, "disk/"));
    char *after = slurp("disk/model.npz", &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(before);
    free(after);
    /* Nothing half-written is left beside it, and it still goes on when there is room again. */
    assert_int_equal(shell("ls -A disk"), 0);
    assert_string_equal(out, "last.npz\nlog.jsonl\nmodel.npz\n");
    assert_int_equal(shell("$T translate train " TOY "--epochs 2 --out disk --resume"), 0);
    if (access("/dev/full", W_OK) == 0) {
        refused("$T translate run --threads 1 --model disk < s > /dev/full", "standard output",
                "No space left");
        refused("$T translate run --threads 1 --model disk --attention no/where.svg < s",
                "no/where.svg", NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_a_line_of_a_million_words),
        cmocka_unit_test(test_oddities_are_said),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_resume_needs_the_same),
        cmocka_unit_test(test_model_files),
        cmocka_unit_test(test_plugin_cell),
        cmocka_unit_test(test_run_input),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, set_up_translate, tear_down_tool);
}
