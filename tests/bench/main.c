/* wengert-bench: measures this library on this machine. A JSON object a line on stdout. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/parallel.h>
#include <wengert/plugin.h>
#include <wengert/version.h>

WG_PLUGIN_DECLARE(lstm_variants);

static const struct command {
    const char *name, *takes, *does;
    wg_status (*run)(const bench_options *options, wg_error *err);
} commands[] = {
    {"train", "config cell plugin threads steps bf16 compiled tiny",
     "one training step of a language model (embedding, stack of a cell, softmax; forward, "
     "backward,\n              clip by norm 5, SGD), for each configuration or the one named",
     bench_train},
    {"hand", "config threads steps tiny",
     "the same step of an LSTM written by hand on oneDNN and CBLAS", bench_hand},
    {"seq2seq", "threads steps lengths print-lengths tiny",
     "one training step of a translator with attention (Adam, clip by norm 1)", bench_seq2seq},
    {"decode", "threads steps tiny",
     "one step of a 2x512 LSTM with 10,000 words at batch 1, states bound in and out",
     bench_decode},
    {"ops", "threads steps tiny",
     "single ops: products in each form, elementwise, softmax, losses, updates", bench_ops},
    {"record", "config cell plugin threads steps tiny",
     "what recording each step afresh costs, and compiling a new shape", bench_record},
    {"scale", "config cell plugin threads steps compiled tiny",
     "cost against T, B, H, layers and V, from a quarter to four times", bench_scale},
    {"saving", "threads steps tiny",
     "the training step of a translator while its checkpoint is written, and without",
     bench_saving},
    {"memory", "config cell plugin threads tiny", "what a training step holds, and needs by count",
     bench_memory},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void help(FILE *out)
{
    fputs("usage: wengert-bench COMMAND [OPTIONS]\n\n"
          "Prints a JSON object a line: medians, and beside them the multiply-adds a core can do\n"
          "and the bytes that can be read a second, measured in the same run.\n\ncommands:\n",
          out);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-10s  %s\n", commands[i].name, commands[i].does);
    fputs("\noptions:\n"
          "  --config NAME   zaremba-small, zaremba-medium, charlm, core, or tiny\n"
          "  --cell NAME     lstm (default), gru, rnn, peephole, layernorm-lstm, separate-gates, "
          "or any\n                  registered name; train takes a list and \"hand\", a step of "
          "each in turn\n"
          "  --plugin FILE   loads cells from a shared object\n"
          "  --threads N     1 to 1024 (default: 1)\n"
          "  --steps N       measurements of which the median is taken, 1 to 10000 (default: 7)\n"
          "  --bf16          matrix products in bf16 with f32 sums\n"
          "  --compiled      compile once and run, in place of recording each step afresh\n"
          "  --lengths       seq2seq: lengths as in a real corpus, and input feeding\n"
          "  --print-lengths\n                  with --lengths: prints the batches' lengths, "
          "measures nothing\n"
          "  --tiny          sizes that take no time, to see that it works\n"
          "  --help, --version\n",
          out);
}

static int usage(const char *message, const char *what)
{
    fprintf(stderr, "wengert-bench: %s '%s'; see wengert-bench --help\n", message, what);
    return 2;
}

/* A whole number of [1, most]. */
static bool number(const char *text, long most, int *value)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < 1 || n > most) return false;
    *value = (int)n;
    return true;
}

static bool takes(const struct command *command, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = command->takes; (at = strstr(at, name)); at += n)
        if ((at == command->takes || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')) return true;
    return false;
}

/* 0, or the exit status. */
static int parse(int argc, char **argv, const struct command *command, bench_options *o)
{
    const struct {
        const char *name;
        bool *flag;
        const char **text;
        int *count;
        long most;
    } known[] = {
        {"config", NULL, &o->config, NULL, 0},
        {"cell", NULL, &o->cell, NULL, 0},
        {"plugin", NULL, &o->plugin, NULL, 0},
        {"threads", NULL, NULL, &o->threads, 1024},
        {"steps", NULL, NULL, &o->steps, 10000},
        {"bf16", &o->bf16, NULL, NULL, 0},
        {"compiled", &o->compiled, NULL, NULL, 0},
        {"lengths", &o->lengths, NULL, NULL, 0},
        {"tiny", &o->tiny, NULL, NULL, 0},
        {"print-lengths", &o->print_lengths, NULL, NULL, 0},
    };
    enum { KNOWN = sizeof known / sizeof *known };
    for (int i = 2; i < argc; i++) {
        int k = 0;
        if (strncmp(argv[i], "--", 2) != 0) return usage("unexpected argument", argv[i]);
        while (k < KNOWN && strcmp(known[k].name, argv[i] + 2) != 0) k++;
        if (k == KNOWN) return usage("unknown option", argv[i]);
        if (!takes(command, known[k].name)) return usage("this command does not take", argv[i]);
        if (known[k].flag) {
            *known[k].flag = true;
            continue;
        }
        if (i + 1 == argc) return usage("a value is missing after", argv[i]);
        i++;
        if (known[k].text) *known[k].text = argv[i];
        if (known[k].count && !number(argv[i], known[k].most, known[k].count))
            return usage(known[k].most == 1024 ? "--threads takes 1 to 1024, not"
                                               : "--steps takes 1 to 10000, not",
                         argv[i]);
    }
    if (o->tiny && !o->config) o->config = "tiny";
    if (o->config && !bench_find_config(o->config))
        return usage("no configuration is named", o->config);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("wengert-bench %s (%s), %s\n", wg_version(), wg_commit(),
               wg_isa_name(wg_isa_best()));
        return 0;
    }
    int c = 0;
    while (c < COMMANDS && strcmp(commands[c].name, argv[1]) != 0) c++;
    if (c == COMMANDS) return usage("unknown command", argv[1]);
    if (argc > 2 && strcmp(argv[2], "--help") == 0) {
        help(stdout);
        return 0;
    }
    bench_options options = {.threads = 1, .steps = 7};
    int exit_status = parse(argc, argv, &commands[c], &options);
    if (exit_status) return exit_status;
    wg_error err = {WG_OK, ""};
    wg_status status = wengert_plugin_lstm_variants(&err);
    if (!status && options.plugin) status = wg_plugin_load(options.plugin, &err);
    if (options.tiny || (options.config && strcmp(options.config, "tiny") == 0))
        bench_machine_brief();
    bench_peak(); /* before and after */
    if (!status) status = commands[c].run(&options, &err);
    if (status == WG_OK) return 0;
    fprintf(stderr, "wengert-bench: %s: %s\n", wg_status_name(err.status), err.message);
    return 2;
}
