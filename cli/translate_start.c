/* The start of a training: everything that the user gave is checked before anything is written. */
#include "internal.h"
#include "translate_train.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/atomicfile.h>
#include <wengert/memory.h>
#include <wengert/parallel.h>
#include <wengert/statefile.h>

/* ---- the directory ---- */

static bool is_empty(DIR *dir)
{
    const struct dirent *entry;
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) return false;
    return true;
}

/* Could the directory take a model? Looks only; make_directory is called when all else is known to
 * be good. */
static int check_directory(const char *path, bool resume)
{
    DIR *dir = opendir(path);
    if (dir) {
        bool empty = is_empty(dir);
        closedir(dir);
        if (access(path, W_OK | X_OK) != 0) return cli_error("--out %s: %s", path, strerror(errno));
        if (resume || empty) return CLI_FINE;
        return cli_error("--out %s is not empty; name another directory, or go on with --resume",
                         path);
    }
    if (errno != ENOENT) return cli_error("--out %s: %s", path, strerror(errno));
    if (resume) return cli_error("--resume: there is no directory %s", path);
    /* The directory above it must be there and writable. */
    char *above = wg_strdup(path);
    if (!above) return cli_error("%s", wg_strerror(WG_ENOMEM));
    size_t n = strlen(above);
    while (n > 1 && above[n - 1] == '/') above[--n] = '\0';
    char *slash = strrchr(above, '/');
    if (slash) slash[slash == above ? 1 : 0] = '\0';
    const char *where = slash ? above : ".";
    int status = access(where, W_OK | X_OK) == 0
                     ? CLI_FINE
                     : cli_error("--out %s: %s: %s", path, where, strerror(errno));
    wg_free(above);
    return status;
}

static int make_directory(const char *path)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return CLI_FINE;
    return cli_error("--out %s: %s", path, strerror(errno));
}

static int check_out(const cli_args *args)
{
    const char *path = cli_string(args, "out");
    if (!*path) return cli_usage_error(args, "--out is empty");
    if (strlen(path) > 3900) return cli_error("--out %.100s...: the path is too long", path);
    return check_directory(path, cli_flag(args, "resume"));
}

/* One training at a time writes to a directory. The lock goes with the process, however that ends;
 * file systems that cannot lock are taken as they are. */
static int lock_directory(translate_training *t)
{
    t->lock = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->lock >= 0 && flock(t->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return cli_error("--out %s: another training is writing to it", t->dir);
    return CLI_FINE;
}

/* What a training that was killed while it saved has left. */
static int remove_leftovers(const translate_training *t)
{
    int removed = 0;
    wg_error err = {0};
    if (wg_atomic_clean(t->dir, &removed, &err)) return cli_fail(&err);
    if (removed > 0)
        cli_note(t->args, "%s: removed %d unfinished file%s of a run that was killed", t->dir,
                 removed, removed > 1 ? "s" : "");
    return CLI_FINE;
}

/* ---- the model ---- */

/* "forget_bias=1" -> a name and a number. The texts live as long as args; names are cut in copies,
 * which *names owns. */
static int parse_hypers(const cli_args *args, wg_hyper_value **hypers, int *n)
{
    size_t count = 0;
    const char *const *text = cli_strings(args, "hyper", &count);
    *n = 0;
    *hypers = wg_calloc(count + 1, sizeof **hypers);
    if (!*hypers) return cli_error("%s", wg_strerror(WG_ENOMEM));
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(text[i], '=');
        char *name = wg_strdup(text[i]);
        double value = 0;
        if (!name || !equals || equals == text[i] || !cli_parse_float(equals + 1, &value)) {
            wg_free(name);
            return cli_usage_error(args, "--hyper %s: must be NAME=NUMBER", text[i]);
        }
        name[equals - text[i]] = '\0';
        (*hypers)[(*n)++] = (wg_hyper_value){name, value};
    }
    return CLI_FINE;
}

static void free_hypers(wg_hyper_value *hypers, int n)
{
    for (int i = 0; i < n; i++) wg_free((char *)hypers[i].name);
    wg_free(hypers);
}

static wg_seq2seq_config network(const cli_args *args)
{
    /* The choices stand in the order of the enumerations. */
    return (wg_seq2seq_config){.size = sizeof(wg_seq2seq_config),
                               .source_vocab = WG_SPECIALS, /* set from the vocabularies */
                               .target_vocab = WG_SPECIALS,
                               .embed = cli_int(args, "embed"),
                               .hidden = cli_int(args, "hidden"),
                               .layers = (int)cli_int(args, "layers"),
                               .cell = cli_string(args, "cell"),
                               .bidirectional = cli_flag(args, "bidirectional"),
                               .attention = (wg_attention_kind)cli_choice(args, "attention"),
                               .attention_width = cli_int(args, "attention-width"),
                               .input_feeding = cli_flag(args, "input-feeding"),
                               .init_projection = cli_flag(args, "init-projection"),
                               .tie = (wg_tie)cli_choice(args, "tie-embeddings"),
                               .reverse_source = cli_flag(args, "reverse-source"),
                               .dropout = cli_float(args, "dropout"),
                               .label_smoothing = cli_float(args, "label-smoothing")};
}

/* Can such a network be? Asked before long texts are read: it is declared with vocabularies that
 * are almost empty, which takes no memory for parameters. */
static int check_network(const cli_args *args)
{
    wg_error err = {0};
    wg_params *params = NULL;
    wg_seq2seq *net = NULL;
    wg_hyper_value *hypers = NULL;
    wg_seq2seq_config config = network(args);
    int status = parse_hypers(args, &hypers, &config.n_hypers);
    config.hypers = hypers;
    if (status == CLI_FINE &&
        (wg_seq2seq_check(&config, &err) || wg_params_new(WG_F32, &params, &err) ||
         wg_seq2seq_new(params, &config, &net, &err)))
        status = cli_fail(&err);
    wg_seq2seq_free(net);
    wg_params_free(params);
    free_hypers(hypers, config.n_hypers);
    return status;
}

static int new_model(translate_training *t)
{
    wg_error err = {0};
    wg_vocab *vocab[2];
    wg_subwords *subwords = NULL;
    wg_hyper_value *hypers = NULL;
    wg_seq2seq_config config = network(t->args);
    const wg_translator_text text = {.nfc = cli_flag(t->args, "nfc"),
                                     .lowercase = cli_flag(t->args, "lowercase")};
    int status = parse_hypers(t->args, &hypers, &config.n_hypers);
    config.hypers = hypers;
    if (status == CLI_FINE) status = translate_data_subwords(t->args, &t->data, &subwords);
    if (status == CLI_FINE)
        status = translate_data_vocab(t->args, &t->data, subwords, config.tie == WG_TIE_ALL, vocab);
    if (status != CLI_FINE)
        wg_subwords_free(subwords);
    else if (wg_translator_model_new(config, vocab[0], vocab[1], subwords, text,
                                     (uint64_t)cli_int(t->args, "seed"), &t->model, &err))
        status = cli_fail(&err);
    free_hypers(hypers, config.n_hypers);
    return status;
}

static int old_model(translate_training *t, wg_state **state, char *path, size_t size)
{
    wg_error err = {0};
    snprintf(path, size, "%s/" TRANSLATE_LAST_NAME, t->dir);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return cli_error("--resume: %s is not there, so there is nothing to go on from; begin "
                         "anew, in another directory or after removing this one",
                         path);
    if (wg_state_load(path, state, &err) || wg_translator_model_take(*state, path, &t->model, &err))
        return cli_fail(&err);
    return translate_check_same(t->args, &t->data, t->model, path);
}

/* ---- what trains it ---- */

static wg_status make_optimizer(translate_training *t, wg_error *err)
{
    wg_optimizer_options options = WG_OPTIMIZER_OPTIONS_INIT;
    options.kind = (wg_optimizer_kind)cli_choice(t->args, "optimizer");
    options.momentum = cli_float(t->args, "momentum");
    options.weight_decay = cli_float(t->args, "weight-decay");
    options.clip_norm = cli_float(t->args, "clip");
    options.clip_value = cli_float(t->args, "clip-value");
    options.threads = t->threads;
    return wg_optimizer_new(t->model->params, &options, &t->optimizer, err);
}

/* Greedy: the validation of an epoch should cost little. */
static wg_status make_decoder(translate_training *t, wg_error *err)
{
    const int32_t banned[] = {WG_PAD, WG_BOS, WG_UNK};
    wg_decoder_options options = WG_DECODER_OPTIONS_INIT;
    options.start_id = WG_BOS;
    options.end_id = WG_EOS;
    options.banned = banned;
    options.n_banned = 3;
    options.beam_size = 1;
    options.max_length = 1 << 20;
    options.max_ratio = 2;
    options.max_extra = 10;
    options.threads = t->threads;
    options.trace = cli_trace();
    return wg_decoder_new(t->model->net, &options, &t->decoder, err);
}

static wg_status make_schedule(translate_training *t, wg_error *err)
{
    wg_schedule_options options = WG_SCHEDULE_OPTIONS_INIT;
    options.kind = (wg_schedule_kind)cli_choice(t->args, "schedule");
    options.rate = cli_float(t->args, "lr");
    options.factor = cli_float(t->args, "decay");
    options.min_rate = cli_float(t->args, "min-lr");
    options.warmup_steps = cli_int(t->args, "warmup");
    options.start = cli_int(t->args, "decay-start");
    options.every = cli_int(t->args, "decay-every");
    options.patience = (int)cli_int(t->args, "patience");
    return wg_schedule_init(&t->schedule, &options, err);
}

static int make_trainer(translate_training *t)
{
    wg_error err = {0};
    const wg_trainer_options options = {
        .size = sizeof options,
        .threads = t->threads,
        .seed = (uint64_t)cli_int(t->args, "seed"),
        .round_steps = 4,
        .round_rows = cli_int(t->args, "batch-tokens") ? 8 : cli_int(t->args, "batch"),
        .max_programs = 256,
        .trace = cli_trace()};
    wg_status status = translate_data_batches(t->args, &t->data, &t->batcher, &err);
    if (!status) status = make_optimizer(t, &err);
    if (!status)
        status = wg_trainer_new(t->model->net, t->model->params, t->optimizer, &options,
                                &t->trainer, &err);
    if (!status) status = make_decoder(t, &err);
    if (!status) status = make_schedule(t, &err);
    /* Parameters twice, and two moments of the optimiser, at a rate that a busy machine has. */
    t->save_seconds = 16.0 * (double)wg_params_elements(t->model->params) / 30e6;
    return status ? cli_fail(&err) : CLI_FINE;
}

static int open_log(translate_training *t)
{
    char path[4096];
    wg_error err = {0};
    snprintf(path, sizeof path, "%s/" TRANSLATE_LOG_NAME, t->dir);
    wg_status status = t->resumed ? wg_jsonlog_resume(path, t->at.log_bytes, &t->log, &err)
                                  : wg_jsonlog_open(path, true, &t->log, &err);
    return status ? cli_fail(&err) : CLI_FINE;
}

static void free_training(translate_training *t)
{
    wg_saver_free(t->saves.saver);
    wg_jsonlog_close(t->log, NULL);
    if (t->lock >= 0) close(t->lock);
    wg_batcher_free(t->batcher);
    wg_decoder_free(t->decoder);
    wg_trainer_free(t->trainer);
    wg_optimizer_free(t->optimizer);
    wg_translator_model_free(t->model);
    translate_data_free(&t->data);
}

static int prepare(translate_training *t)
{
    char path[4096] = "";
    wg_state *state = NULL;
    int status = t->resumed ? old_model(t, &state, path, sizeof path) : new_model(t);
    if (status == CLI_FINE)
        status = translate_data_encode(t->args, &t->data, t->model->subwords, t->model->vocab);
    if (status == CLI_FINE) status = make_trainer(t);
    if (status == CLI_FINE && t->resumed) status = translate_take_last(t, state, path);
    wg_state_free(state);
    if (status == CLI_FINE) status = translate_describe(t);
    return status;
}

int translate_train(const cli_args *args)
{
    translate_training t = {.args = args,
                            .dir = cli_string(args, "out"),
                            .resumed = cli_flag(args, "resume"),
                            .lock = -1,
                            .threads = (int)cli_int(args, "threads")};
    if (t.threads == 0) t.threads = wg_default_threads();
    t.started = t.saved = cli_now();
    cli_progress_start(&t.line, args);
    int status = check_out(args);
    if (status == CLI_FINE && t.resumed) status = lock_directory(&t);
    if (status == CLI_FINE && t.resumed) status = remove_leftovers(&t);
    if (status == CLI_FINE) status = check_network(args);
    if (status == CLI_FINE) status = translate_data_read(args, &t.data);
    if (status == CLI_FINE) status = prepare(&t);
    if (status == CLI_FINE) status = cli_interrupted(); /* nothing is written yet */
    if (status == CLI_FINE) status = make_directory(t.dir);
    if (status == CLI_FINE && !t.resumed) status = lock_directory(&t);
    if (status == CLI_FINE) status = open_log(&t);
    if (status == CLI_FINE) status = translate_save_start(&t);
    if (status == CLI_FINE) status = translate_loop(&t);
    free_training(&t);
    return status;
}
