/* Subwords in the tool: learn, apply and undo as filters; a translator that learns its own, keeps
 * them in its model file and takes up its training again. */
#include "translate_test.h"

#define SUBWORDS TOY "--subwords 25 --epochs 20 "

static void test_filters(void **state)
{
    (void)state;
    assert_int_equal(shell("$T subwords learn --merges 25 -o merges s t"), 0);
    assert_non_null(strstr(err, "25 merges"));
    assert_int_equal(shell("$T subwords learn --quiet --merges 25 s t | cmp - merges"), 0);
    assert_int_equal(shell("gzip -c s > s.gz; cat t | $T subwords learn --merges 25 s.gz - | "
                           "cmp - merges"),
                     0);
    write_text("text", "un  deux @@ x@@ trois\t\xE2\x82\xAC <0x41>\n\n five\n");
    assert_int_equal(shell("$T subwords apply --merges merges < text > cut; cat cut; "
                           "$T subwords undo < cut | cmp - text"),
                     0);
    assert_non_null(strstr(out, "@@ "));
    assert_non_null(strstr(out, "<0xE2>@@ <0x82>@@ <0xAC>"));
    assert_int_equal(shell("$T subwords apply --merges s < text"), 2);
    assert_non_null(strstr(err, "s:1: not subwords"));
    assert_int_equal(shell("$T subwords learn absent"), 2);
    assert_non_null(strstr(err, "absent"));
    assert_int_equal(shell("$T subwords apply < text"), 2);
}

static void test_learns(void **state)
{
    (void)state;
    int status = shell("$T translate train " SUBWORDS "--out model");
    if (status) print_error("%s", err);
    assert_int_equal(status, 0);
    assert_non_null(strstr(err, "subwords: 25 merges"));
    assert_non_null(strstr(err, "0 % and 0 % are unknown"));
    write_text("in", "un deux trois\n\nquatre cinq\nun @@ \xE2\x82\xAC zz\n");
    assert_int_equal(shell("$T translate run --threads 1 --model model < in"), 0);
    assert_memory_equal(out, "three two one\n\nfive four\n", 25);
    assert_null(strstr(out, "@@"));
    assert_int_equal(shell("$T translate run --threads 1 --model model --beam-size 3 --n-best 2 "
                           "--attention a.svg < in"),
                     0);
    assert_memory_equal(out, "0 ||| three two one ||| ", 24);
    assert_true(exists("a.svg"));
}

static void test_resumes(void **state)
{
    (void)state;
    assert_int_equal(
        shell("$T subwords learn --merges 25 -o merges s t && "
              "$T translate train " TOY "--bpe merges --epochs 2 --out part && "
              "$T translate train " TOY "--bpe merges --epochs 4 --out part --resume && "
              "$T translate train " TOY "--bpe merges --epochs 4 --out whole && "
              "for m in part whole; do $T translate run --threads 1 --n-best 3 --model $m "
              "< s > $m.out || exit; done; cmp part.out whole.out"),
        0);
    assert_int_equal(
        shell("$T translate train " TOY "--subwords 25 --epochs 6 --out part --resume"), 2);
    assert_non_null(strstr(err, "--resume: --subwords is 25, but was 0"));
}

/* The same words, read anew in each epoch: the same merges. */
static void test_stream(void **state)
{
    (void)state;
    assert_int_equal(shell("head -n 40 s > vs; head -n 40 t > vt; $T translate train " SUBWORDS
                           "--valid-source vs --valid-target vt --stream --out streamed && "
                           "echo un deux trois | $T translate run --threads 1 --model streamed"),
                     0);
    assert_non_null(strstr(err, "subwords: 25 merges"));
    assert_string_equal(out, "three two one\n");
}

static void test_options(void **state)
{
    (void)state;
    assert_int_equal(shell("$T translate train " SUBWORDS "--bpe merges --out odd"), 2);
    assert_non_null(strstr(err, "give one"));
    assert_int_equal(shell("$T translate train " TOY "--bpe absent --out odd"), 2);
    assert_non_null(strstr(err, "absent"));
    assert_int_equal(shell("$T translate train " SUBWORDS "--max-vocab 10 --out odd"), 2);
    assert_non_null(strstr(err, "characters and bytes"));
    assert_false(exists("odd"));
    /* One vocabulary for all. */
    assert_int_equal(shell("$T translate train " TOY "--embed 32 --subwords 25 --epochs 1 "
                           "--tie-embeddings all --out tied && "
                           "echo un deux | $T translate run --threads 1 --model tied"),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters), cmocka_unit_test(test_learns),
        cmocka_unit_test(test_resumes), cmocka_unit_test(test_stream),
        cmocka_unit_test(test_options)};
    return cmocka_run_group_tests(tests, set_up_translate, tear_down_tool);
}
