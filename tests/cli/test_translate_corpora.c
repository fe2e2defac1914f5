/* The texts of wengert translate train in all their forms: two files or one, gzipped, in shards,
 * streamed; the same text gives the same model, and a streamed training that was killed goes on
 * exactly. */
#include "training_test.h"

#define QUICK "--no-valid-bleu --epochs 1 " TOY_MODEL
#define VALID "--valid-source vs --valid-target vt "

static void make_texts(void)
{
    if (exists("st")) return;
    assert_int_equal(
        shell("paste s t | sed 's/\\t/ ||| /' > st && gzip -c s > s.gz && gzip -c st > st.gz\n"
              "for x in s t; do head -120 $x > $x-a; sed -n 121,250p $x | gzip > $x-b; "
              "sed -n '251,$p' $x > $x-c; head -40 $x > v$x; done\n"
              "paste vs vt | sed 's/\\t/ ||| /' > vst"),
        0);
}

static void trains(const char *options)
{
    char command[2048];
    snprintf(command, sizeof command, "$T translate train %s", options);
    int status = shell(command);
    if (status) print_error("%s\n%s", command, err);
    assert_int_equal(status, 0);
}

static void test_forms(void **state)
{
    (void)state;
    make_texts();
    trains(QUICK "--source s --target t --out two");
    trains(QUICK "--pairs st.gz --out one");
    trains(QUICK "--source s.gz --target t --out gzipped");
    trains(QUICK "--source 's-?' --target 't-?' --out shards");
    assert_same_tensors("two/model.npz", "one/model.npz");
    assert_same_tensors("two/model.npz", "gzipped/model.npz");
    assert_same_tensors("two/model.npz", "shards/model.npz");
    /* With another form of the validation set too. */
    trains(QUICK VALID "--source s --target t --out valid");
    trains(QUICK "--valid-pairs vst --pairs st --out valid-one");
    assert_same_tensors("valid/model.npz", "valid-one/model.npz");
    assert_true(last_number("valid/log.jsonl", "epoch", "valid_loss") ==
                last_number("valid-one/log.jsonl", "epoch", "valid_loss"));
    /* Shards are one text to --resume: its sum is that of all of them. */
    trains("--no-valid-bleu --epochs 2 " TOY_MODEL
           "--source 's-?' --target 't-?' --out shards --resume");
}

#define STREAM                                                                           \
    "--no-valid-bleu --stream --shuffle-window 100 --source 's-?' --target 't-?' " VALID \
    "--log-every 2 --early-stopping 0 " TOY_MODEL

static void test_stream_learns(void **state)
{
    (void)state;
    make_texts();
    trains("--stream --shuffle-window 100 --pairs st " VALID "--log-every 5 " TOY_MODEL
           "--epochs 16 --out streamed");
    assert_non_null(strstr(err, "400 pairs to train on, in windows of 100, 40 to validate"));
    assert_true(last_number("streamed/log.jsonl", "epoch", "valid_bleu") > 60);
    double padding = last_number("streamed/log.jsonl", "epoch", "padding");
    assert_true(padding > 0 && padding < 0.5);
    double share = last_number("streamed/log.jsonl", "report", "epoch_share");
    assert_true(share > 0 && share <= 1);
}

static void test_stream_killed(void **state)
{
    (void)state;
    make_texts();
    trains(STREAM "--epochs 5 --out straight");
    for (int round = 0; round < 3; round++) {
        char command[2048];
        snprintf(command, sizeof command,
                 "rm -rf cut; $T translate train " STREAM
                 "--epochs 5 --save-every 0.000001 --out cut & pid=$!\n"
                 "for i in $(seq 500); do [ \"$(grep -c report cut/log.jsonl)\" -ge %d ] && "
                 "break; sleep 0.02; done; kill -9 $pid; wait $pid; ls cut/last.npz",
                 2 + 5 * round);
        assert_int_equal(shell(command), 0);
        trains(STREAM "--epochs 5 --save-every 0.000001 --out cut --resume");
        assert_same_tensors("straight/last.npz", "cut/last.npz");
        assert_true(last_number("straight/log.jsonl", "epoch", "loss") ==
                    last_number("cut/log.jsonl", "epoch", "loss"));
        assert_true(last_number("straight/log.jsonl", "epoch", "padding") ==
                    last_number("cut/log.jsonl", "epoch", "padding"));
    }
}

static void test_strategies(void **state)
{
    (void)state;
    static const char *const name[] = {"shuffle", "source", "target", "source-target",
                                       "target-source"};
    double padding[5];
    for (int i = 0; i < 5; i++) {
        char options[512];
        snprintf(options, sizeof options, QUICK "--source s --target t --batching %s --out b-%s",
                 name[i], name[i]);
        trains(options);
        snprintf(options, sizeof options, "b-%s/log.jsonl", name[i]);
        padding[i] = last_number(options, "epoch", "padding");
        if (i > 0) assert_true(padding[i] < padding[0]);
    }
    trains(QUICK "--source s --target t --out b-default");
    assert_same_tensors("b-target-source/model.npz", "b-default/model.npz");
    trains(QUICK "--source s --target t --batch-tokens 120 --batching source --out b-tokens");
}

static void refused(const char *options, const char *first, const char *second)
{
    char command[2048];
    snprintf(command, sizeof command, "$T translate train " TOY_MODEL "%s --out new", options);
    int status = shell(command);
    if (status != 2 || !strstr(err, first) || !strstr(err, second))
        print_error("%s\n  gave status %d and said: %s", command, status, err);
    assert_int_equal(status, 2);
    assert_non_null(strstr(err, first));
    assert_non_null(strstr(err, second));
    assert_false(exists("new"));
}

static void test_refused(void **state)
{
    (void)state;
    make_texts();
    refused("", "--source and --target", "--pairs");
    refused("--source s", "--source and --target go together", "");
    refused("--source s --target t --pairs st", "--pairs stands for --source and --target", "");
    refused("--pairs s", "s:1: expected 'source ||| target'", "nowhere");
    refused("--source 'x-*' --target t", "x-*: no file", "");
    refused("--source 's-?' --target 't-[ab]'", "3 source files", "2 target files");
    refused("--source 's-?' --target 't-[!z]' --valid-pairs nosuch", "nosuch", "No such file");
    assert_int_equal(shell("head -100 t > u-a; cp t-b u-b; cp t-c u-c"), 0);
    refused("--source 's-?' --target 'u-?'", "s-a has 120 lines, but u-a has 100", "");
    refused("--stream --source s --target t", "--stream holds nothing out", "--valid-pairs");
    refused("--stream --source - --target t " VALID, "'-'", "--stream");
    refused("--stream --shuffle-window 0 --source s --target t " VALID, "--shuffle-window", "");
    assert_int_equal(shell("gzip -c s > bad.gz; printf 'x' | dd of=bad.gz bs=1 conv=notrunc "
                           "seek=$(($(wc -c < bad.gz) - 6))"),
                     0);
    refused("--stream --source bad.gz --target t " VALID, "bad.gz: corrupt gzip data",
            "behind line 400");
    refused("--source s --target t --batching sorted", "--batching", "target-source");
}

static void test_stream_needs_the_same(void **state)
{
    (void)state;
    make_texts();
    trains(STREAM "--epochs 1 --out other");
    const char *const changed[] = {"--shuffle-window 50", "--batching shuffle", "--no-stream"};
    for (size_t i = 0; i < 3; i++) {
        char command[2048];
        snprintf(command, sizeof command,
                 "$T translate train " STREAM "--epochs 2 --out other --resume %s", changed[i]);
        assert_int_equal(shell(command), 2);
        assert_non_null(strstr(err, "--resume: --"));
    }
    assert_int_equal(
        shell("cp t-c t.kept; sed 's/one/two/' t.kept > t-c; $T translate train " STREAM
              "--epochs 2 --out other --resume; status=$?; mv t.kept t-c; "
              "exit $status"),
        2);
    assert_non_null(strstr(err, "is not the text"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),         cmocka_unit_test(test_stream_learns),
        cmocka_unit_test(test_stream_killed), cmocka_unit_test(test_strategies),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_stream_needs_the_same),
    };
    return cmocka_run_group_tests(tests, set_up_translate, tear_down_tool);
}
