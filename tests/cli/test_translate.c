/* wengert translate as its users meet it: a toy language is learnt, translated and drawn; a
 * training that was interrupted and taken up again is the one that was not. */
#include "training_test.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>

static void learn_once(void)
{
    if (exists("model")) return;
    int status = shell("$T translate train " TOY "--epochs 20 --log-every 10 --out model");
    if (status) print_error("%s", err);
    assert_int_equal(status, 0);
}

static void test_learns(void **state)
{
    (void)state;
    learn_once();
    assert_non_null(strstr(err, "40 of 400 pairs (10 %) held out"));
    assert_true(exists("model/model.npz"));
    assert_true(exists("model/last.npz"));
    cJSON *epoch = last_event("model/log.jsonl", "epoch");
    assert_non_null(epoch);
    assert_true(number_in(epoch, "valid_bleu") > 80);
    assert_true(number_in(epoch, "valid_perplexity") > 1);
    assert_true(number_in(epoch, "tokens_per_s") > 0);
    assert_true(number_in(epoch, "gradient_norm") > 0);
    assert_true(number_in(epoch, "padding") >= 0 && number_in(epoch, "padding") < 0.9);
    assert_true(number_in(epoch, "lr") > 0);
    cJSON_Delete(epoch);
    cJSON *end = last_event("model/log.jsonl", "end");
    assert_string_equal(cJSON_GetObjectItem(end, "reason")->valuestring, "epochs");
    cJSON_Delete(end);
}

static void test_translates(void **state)
{
    (void)state;
    learn_once();
    write_text("in", "un deux trois\n\nquatre cinq\r\n   \ndix");
    assert_int_equal(shell("$T translate run --threads 1 --model model < in"), 0);
    assert_string_equal(out, "three two one\n\nfive four\n\nten\n");
    assert_non_null(strstr(err, "CR LF"));
    char *first = strdup(out);
    assert_int_equal(shell("gzip -c in > in.gz; $T translate run --threads 1 --batch 1 --stream "
                           "--model model/model.npz < in.gz"),
                     0);
    assert_string_equal(out, first);
    free(first);
    assert_int_equal(shell("$T translate run --threads 1 --model model < /dev/null"), 0);
    assert_string_equal(out, "");
    assert_int_equal(
        shell("echo deux | WENGERT_TRACE=compile $T translate run --threads 1 --model model"), 0);
    assert_string_equal(out, "two\n");
    assert_non_null(strstr(err, "== after: recorded\n"));
    assert_int_equal(shell("echo deux | WENGERT_TRACE=no $T translate run --model model"), 0);
    assert_string_equal(err, "");
}

static void test_n_best(void **state)
{
    (void)state;
    learn_once();
    assert_int_equal(shell("printf 'un deux\\n\\ntrois six\\n' | $T translate run --threads 1 "
                           "--beam-size 4 --n-best 2 --model model"),
                     0);
    int lines = 0;
    double before = 0;
    for (char *line = out, *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
        static const int of_sentence[] = {0, 0, 1, 2, 2};
        *end = '\0';
        assert_true(lines < 5);
        assert_int_equal(atoi(line), of_sentence[lines]);
        char *score = strstr(line, " ||| ");
        assert_non_null(score);
        score = strstr(score + 4, " ||| ");
        assert_non_null(score);
        if (lines == 1 || lines == 4) assert_true(atof(score + 5) <= before);
        before = atof(score + 5);
        if (lines == 0) assert_int_equal(strncmp(line, "0 ||| two one ||| ", 18), 0);
    }
    assert_int_equal(lines, 5);
}

static void test_unknown_words_and_picture(void **state)
{
    (void)state;
    learn_once();
    assert_int_equal(shell("echo 'un <x>&xyzzy deux' | $T translate run --threads 1 --model model "
                           "--replace-unk --attention a.svg"),
                     0);
    assert_null(strstr(out, "<unk>"));
    char *svg = slurp("a.svg", NULL);
    assert_non_null(svg);
    assert_non_null(strstr(svg, "<svg"));
    assert_non_null(strstr(svg, "&lt;x&gt;&amp;xyzzy"));
    assert_null(strstr(svg, "<x>"));
    free(svg);
    assert_int_equal(
        shell("$T translate run --threads 1 --model model --attention b.svg < s > all"), 0);
    assert_non_null(strstr(err, "first sentence of several"));
    assert_int_equal(shell("wc -l < all"), 0);
    assert_int_equal(atoi(out), 400);
}

/* A line goes in, its translation comes out, while the pipe stays open. */
static void test_stream(void **state)
{
    (void)state;
    learn_once();
    int to[2], from[2];
    char model[4096], answer[64] = "";
    path_of(model, sizeof model, "model");
    assert_int_equal(pipe(to) | pipe(from), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[0]), close(to[1]), close(from[0]), close(from[1]);
        execl(tool, tool, "translate", "run", "--threads", "1", "--stream", "--model", model, NULL);
        _exit(99);
    }
    close(to[0]), close(from[1]);
    for (int round = 0; round < 2; round++) {
        static const char *const question[] = {"un deux\n", "trois quatre\n"};
        static const char *const wanted[] = {"two one\n", "four three\n"};
        assert_true(write(to[1], question[round], strlen(question[round])) > 0);
        size_t n = 0;
        while (n < strlen(wanted[round])) {
            ssize_t got = read(from[0], answer + n, sizeof answer - 1 - n);
            assert_true(got > 0);
            n += (size_t)got;
        }
        answer[n] = '\0';
        assert_string_equal(answer, wanted[round]);
    }
    int status;
    close(to[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(from[0]);
}

#define SMALL TOY "--no-valid-bleu "

static void test_resume_equals_uninterrupted(void **state)
{
    (void)state;
    assert_int_equal(shell("$T translate train " SMALL "--epochs 4 --out straight"), 0);
    assert_int_equal(shell("$T translate train " SMALL "--epochs 2 --out halves"), 0);
    assert_int_equal(shell("$T translate train " SMALL "--epochs 4 --out halves --resume"), 0);
    assert_same_tensors("straight/last.npz", "halves/last.npz");
    assert_same_tensors("straight/model.npz", "halves/model.npz");
    cJSON *a = last_event("straight/log.jsonl", "epoch"),
          *b = last_event("halves/log.jsonl", "epoch");
    assert_true(number_in(a, "valid_perplexity") == number_in(b, "valid_perplexity"));
    assert_true(number_in(a, "loss") == number_in(b, "loss"));
    cJSON_Delete(a);
    cJSON_Delete(b);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* Starts a training that would take for ever, and sends it a signal in its third epoch; returns its
 * exit status, or minus the signal that ended it. */
static int interrupted(const char *arguments, int number_of_signal, const char *log)
{
    char line[9000];
    snprintf(line, sizeof line, "cd '%s' && exec '%s' translate train %s 2> err.txt", dir, tool,
             arguments);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGINT, SIG_DFL); /* a test run in the background would hand down "ignored" */
        signal(SIGTERM, SIG_DFL);
        execl("/bin/sh", "sh", "-c", line, NULL);
        _exit(99);
    }
    for (int i = 0; i < 1500; i++, nap()) {
        char *text = slurp(log, NULL);
        bool reported = text && strstr(text, "\"report\"") && strstr(text, "\"epoch\": 3");
        free(text);
        if (reported) break;
    }
    assert_int_equal(kill(child, number_of_signal), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    read_back("err.txt", err, sizeof err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_interrupt(void **state)
{
    (void)state;
    assert_int_equal(interrupted(SMALL "--epochs 100000 --early-stopping 0 --log-every 3 --out cut",
                                 SIGINT, "cut/log.jsonl"),
                     130);
    assert_non_null(strstr(err, "--resume goes on"));
    assert_int_equal(shell("head -3 s | $T translate run --threads 1 --model cut"), 0);
    cJSON *end = last_event("cut/log.jsonl", "end");
    assert_string_equal(cJSON_GetObjectItem(end, "reason")->valuestring, "signal");
    int updates = (int)number_in(end, "updates"), epochs = updates / 23 + 2; /* 360 pairs by 16 */
    cJSON_Delete(end);
    char command[1024];
    snprintf(command, sizeof command,
             "$T translate train " SMALL "--early-stopping 0 --log-every 3 --epochs %d --out cut "
             "--resume && $T translate train " SMALL
             "--early-stopping 0 --log-every 3 --epochs %d --out uncut",
             epochs, epochs);
    assert_int_equal(shell(command), 0);
    assert_same_tensors("cut/last.npz", "uncut/last.npz");
    assert_int_equal(interrupted(SMALL
                                 "--epochs 100000 --early-stopping 0 --log-every 3 --out term",
                                 SIGTERM, "term/log.jsonl"),
                     143);
    assert_true(exists("term/model.npz"));
}

/* Killed without warning: what was saved inside the epoch is where it goes on, and the end is the
 * same. */
static void test_killed(void **state)
{
    (void)state;
    assert_int_equal(interrupted(SMALL "--epochs 100000 --early-stopping 0 --log-every 3 "
                                       "--save-every 0.000001 --out killed",
                                 SIGKILL, "killed/log.jsonl"),
                     -SIGKILL);
    cJSON *report = last_event("killed/log.jsonl", "report");
    int epochs = (int)number_in(report, "epoch") + 1;
    cJSON_Delete(report);
    char command[1024];
    snprintf(command, sizeof command,
             "$T translate train " SMALL
             "--early-stopping 0 --epochs %d --log-every 3 --out killed "
             "--resume && $T translate train " SMALL
             "--early-stopping 0 --epochs %d --log-every 3 --out spared",
             epochs, epochs);
    assert_int_equal(shell(command), 0);
    assert_same_tensors("killed/last.npz", "spared/last.npz");
}

static void test_early_stopping(void **state)
{
    (void)state;
    assert_int_equal(shell("$T translate train " TOY "--lr 3 --schedule constant --epochs 60 "
                           "--early-stopping 2 --select perplexity --out early"),
                     0);
    cJSON *end = last_event("early/log.jsonl", "end");
    assert_string_equal(cJSON_GetObjectItem(end, "reason")->valuestring, "early-stopping");
    cJSON *epoch = last_event("early/log.jsonl", "epoch");
    assert_true(number_in(epoch, "epoch") == number_in(end, "best_epoch") + 2);
    cJSON_Delete(epoch);
    cJSON_Delete(end);
}

/* BLEU near 0 is noise, and does not end a training whose perplexity falls. */
static void test_early_stopping_waits_for_perplexity(void **state)
{
    (void)state;
    assert_int_equal(shell("$T translate train " TOY "--lr 0.0003 --epochs 8 --early-stopping 1 "
                           "--out slow"),
                     0);
    cJSON *end = last_event("slow/log.jsonl", "end");
    assert_string_equal(cJSON_GetObjectItem(end, "reason")->valuestring, "epochs");
    assert_true(number_in(end, "best_epoch") < 7);
    cJSON_Delete(end);
}

/* A training that has run away, with figures that JSON has no numbers for, still goes on. */
static void test_resume_without_numbers(void **state)
{
    (void)state;
#define RUNAWAY "$T translate train " TOY "--lr 1000 --optimizer sgd --clip 0 --out runaway "
    assert_int_equal(shell(RUNAWAY "--epochs 1"), 0);
    cJSON *epoch = last_event("runaway/log.jsonl", "epoch");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(epoch, "valid_perplexity")));
    cJSON_Delete(epoch);
    assert_int_equal(shell(RUNAWAY "--epochs 2 --resume"), 0);
    epoch = last_event("runaway/log.jsonl", "epoch");
    assert_true(number_in(epoch, "epoch") == 2);
    cJSON_Delete(epoch);
    assert_int_equal(shell("$T translate run --threads 1 --model runaway < s | wc -l"), 0);
    assert_int_equal(atoi(out), 400);
}

static void test_time_limit(void **state)
{
    (void)state;
    time_t begin = time(NULL);
    assert_int_equal(shell("$T translate train " TOY "--epochs 100000 --early-stopping 0 "
                           "--time-limit 0.04 --out timed"),
                     0);
    assert_true(time(NULL) - begin <= 10);
    cJSON *end = last_event("timed/log.jsonl", "end");
    assert_string_equal(cJSON_GetObjectItem(end, "reason")->valuestring, "time-limit");
    assert_true(number_in(end, "valid_bleu") >= 0);
    cJSON_Delete(end);
}

/* Every kind of model is saved, loaded and run. */
static void test_models(void **state)
{
    static const char *const kinds[] = {
        "--cell gru --attention bahdanau --attention-width 8 --input-feeding",
        "--attention none --reverse-source --no-bidirectional --layers 2",
        "--attention dot --tie-embeddings all --lowercase --optimizer sgd --batch-tokens 200",
        ("--tie-embeddings target --init-projection --optimizer momentum --hyper forget_bias=2 "
         "--label-smoothing 0.1 --clip-value 0.1 --warmup 10 --schedule epoch"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char command[1024];
        snprintf(command, sizeof command,
                 "rm -rf kind; $T translate train " TOY "--epochs 1 %s --out kind && head -5 s | "
                 "$T translate run --threads 1 --model kind | wc -l",
                 kinds[i]);
        int status = shell(command);
        if (status) print_error("%s: %s", kinds[i], err);
        assert_int_equal(status, 0);
        assert_int_equal(atoi(out), 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_translates),
        cmocka_unit_test(test_n_best),
        cmocka_unit_test(test_unknown_words_and_picture),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_resume_equals_uninterrupted),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_early_stopping_waits_for_perplexity),
        cmocka_unit_test(test_resume_without_numbers),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_models),
    };
    return cmocka_run_group_tests(tests, set_up_translate, tear_down_tool);
}
