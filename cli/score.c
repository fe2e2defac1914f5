/* wengert score bleu REF [REF...] < HYP: how good translations are, with sacreBLEU's figures. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <utf8proc.h>
#include <zlib.h>

#include <wengert/bleu.h>
#include <wengert/memory.h>

#define LINE_LIMIT ((size_t)1 << 28) /* bytes; a zip bomb must not eat the machine */

/* One text, plain or gzipped (zlib tells them apart), read line by line. */
typedef struct input {
    const char *name; /* as messages say it */
    gzFile file;
    char block[1 << 15];
    size_t at, filled;
    char *line; /* the last line, without its newline */
    size_t size, capacity;
    int64_t lines;
} input;

/* NULL after a message. `path` NULL: standard input. */
static input *open_input(const char *path)
{
    input *in = wg_calloc(1, sizeof *in);

    if (!in) {
        cli_error("out of memory");
        return NULL;
    }
    in->name = path ? path : "standard input";
    if (path) {
        errno = 0;
        in->file = gzopen(path, "rb");
    } else {
        int fd = dup(STDIN_FILENO);

        in->file = fd >= 0 ? gzdopen(fd, "rb") : NULL;
        if (!in->file && fd >= 0) close(fd);
    }
    if (!in->file) {
        cli_error("%s: %s", in->name, strerror(errno ? errno : ENOMEM));
        wg_free(in);
        return NULL;
    }
    return in;
}

static void close_input(input *in)
{
    if (!in) return;
    gzclose(in->file);
    wg_free(in->line);
    wg_free(in);
}

/* More bytes in the block: 1, 0 at the end, -1 after a message. */
static int fill(input *in)
{
    int n = gzread(in->file, in->block, sizeof in->block), code = Z_OK;
    const char *what = gzerror(in->file, &code);

    in->at = 0;
    in->filled = n > 0 ? (size_t)n : 0;
    if (n > 0) return 1;
    if (n == 0 && code == Z_OK) return 0;
    if (code == Z_BUF_ERROR)
        cli_error("%s: the gzip file is cut short", in->name);
    else
        cli_error("%s: %s", in->name, code == Z_ERRNO ? strerror(errno) : what);
    return -1;
}

static bool append(input *in, const char *data, size_t n)
{
    if (n > LINE_LIMIT || in->size + n > LINE_LIMIT) {
        cli_error("%s:%lld: a line of more than %zu bytes", in->name, (long long)in->lines + 1,
                  LINE_LIMIT);
        return false;
    }
    if (in->size + n > in->capacity) {
        size_t capacity = 2 * (in->size + n);
        char *line = wg_realloc(in->line, capacity);

        if (!line) {
            cli_error("%s:%lld: out of memory", in->name, (long long)in->lines + 1);
            return false;
        }
        in->line = line;
        in->capacity = capacity;
    }
    if (n) memcpy(in->line + in->size, data, n);
    in->size += n;
    return true;
}

/* The next line: 1, 0 at the end, -1 after a message. */
static int next_line(input *in)
{
    bool begun = false;

    in->size = 0;
    for (;;) {
        const char *from, *newline;
        size_t n;

        if (in->at == in->filled) {
            int more = fill(in);

            if (more < 0) return -1;
            if (more == 0) break;
        }
        begun = true;
        from = in->block + in->at;
        newline = memchr(from, '\n', in->filled - in->at);
        n = newline ? (size_t)(newline - from) : in->filled - in->at;
        if (!append(in, from, n)) return -1;
        in->at += newline ? n + 1 : n;
        if (newline) break;
    }
    if (!begun) return 0;
    in->lines++;
    return 1;
}

/* The texts differ in length: reads each to its end, and says what they have. */
static int unequal(input **inputs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int more;

        while ((more = next_line(inputs[i])) > 0)
            ;
        if (more < 0) return CLI_TROUBLE;
    }
    for (size_t i = 1; i < n; i++) {
        if (inputs[i]->lines != inputs[0]->lines)
            return cli_error("%s has %lld lines, but %s has %lld", inputs[0]->name,
                             (long long)inputs[0]->lines, inputs[i]->name,
                             (long long)inputs[i]->lines);
    }
    return CLI_TROUBLE;
}

/* A segment was refused: which file and line that is. */
static int bad_segment(input *const *inputs, size_t n, const wg_error *err)
{
    for (size_t i = 0; i < n && err->status == WG_EFORMAT; i++) {
        const utf8proc_uint8_t *text = (const utf8proc_uint8_t *)inputs[i]->line;
        size_t at = 0;
        while (at < inputs[i]->size) {
            utf8proc_int32_t code;
            utf8proc_ssize_t used =
                utf8proc_iterate(text + at, (utf8proc_ssize_t)(inputs[i]->size - at), &code);
            if (used <= 0)
                return cli_error("%s:%lld: invalid UTF-8 at byte %zu", inputs[i]->name,
                                 (long long)inputs[i]->lines, at + 1);
            at += (size_t)used;
        }
    }
    return cli_fail(err);
}

/* Adds all segments: inputs[0] holds the hypotheses. */
static int add_all(wg_bleu *bleu, input **inputs, size_t n, wg_bleu_text *texts)
{
    for (;;) {
        size_t ended = 0;
        wg_status status;
        wg_error err;

        for (size_t i = 0; i < n; i++) {
            int more = next_line(inputs[i]);

            if (more < 0) return CLI_TROUBLE;
            if (more == 0) ended++;
            texts[i] = (wg_bleu_text){inputs[i]->line, inputs[i]->size};
        }
        if (ended == n) break;
        if (ended > 0) return unequal(inputs, n);
        status = wg_bleu_add(bleu, texts[0], texts + 1, n - 1, &err);
        if (status != WG_OK) return bad_segment(inputs, n, &err);
    }
    if (inputs[0]->lines == 0) return cli_error("%s: no lines to score", inputs[0]->name);
    return CLI_FINE;
}

static bool add_numbers(cJSON *object, const char *name, const int64_t *values)
{
    cJSON *array = cJSON_AddArrayToObject(object, name);

    for (int i = 0; array && i < WG_BLEU_MAX_ORDER; i++) {
        if (!cJSON_AddItemToArray(array, cJSON_CreateNumber((double)values[i]))) return false;
    }
    return array != NULL;
}

static int print_json(const wg_bleu_result *r)
{
    cJSON *object = cJSON_CreateObject(), *precisions;
    char *text = NULL;
    bool good = cJSON_AddStringToObject(object, "name", "BLEU") &&
                cJSON_AddNumberToObject(object, "score", r->score) &&
                cJSON_AddStringToObject(object, "signature", r->signature);

    precisions = good ? cJSON_AddArrayToObject(object, "precisions") : NULL;
    good = precisions != NULL;
    for (int i = 0; good && i < WG_BLEU_MAX_ORDER; i++)
        good = cJSON_AddItemToArray(precisions, cJSON_CreateNumber(r->precisions[i]));
    good = good && cJSON_AddNumberToObject(object, "bp", r->brevity_penalty) &&
           cJSON_AddNumberToObject(object, "sys_len", (double)r->sys_len) &&
           cJSON_AddNumberToObject(object, "ref_len", (double)r->ref_len) &&
           add_numbers(object, "counts", r->counts) && add_numbers(object, "totals", r->totals) &&
           cJSON_AddNumberToObject(object, "segments", (double)r->segments);
    if (good) text = cJSON_Print(object);
    cJSON_Delete(object);
    if (!text) return cli_error("out of memory");
    puts(text);
    cJSON_free(text);
    return CLI_FINE;
}

static int print_result(const wg_bleu_result *result, int format)
{
    char line[256];

    if (format == 1) return print_json(result);
    wg_bleu_format(result, line, sizeof line);
    if (format == 2) { /* the number alone: the third word of the line */
        const char *score = line + strlen("BLEU = ");

        printf("%.*s\n", (int)strcspn(score, " "), score);
    } else {
        printf("%s\n%s\n", line, result->signature);
    }
    return CLI_FINE;
}

static int run_score_bleu(const cli_args *args)
{
    static const wg_bleu_tokenizer tokenizers[] = {WG_BLEU_TOKENIZE_NONE, WG_BLEU_TOKENIZE_CHAR,
                                                   WG_BLEU_TOKENIZE_13A};
    static const wg_bleu_smooth smooths[] = {WG_BLEU_SMOOTH_EXP, WG_BLEU_SMOOTH_NONE,
                                             WG_BLEU_SMOOTH_FLOOR, WG_BLEU_SMOOTH_ADD_K};
    wg_bleu_options options = WG_BLEU_OPTIONS_INIT;
    size_t n = 0, opened = 0;
    const char *const *refs = cli_arg_list(args, "REF", &n);
    input **inputs;
    wg_bleu_text *texts;
    wg_bleu_result result;
    wg_bleu *bleu = NULL;
    wg_error err;
    int exit_status = CLI_FINE;

    options.tokenizer = tokenizers[cli_choice(args, "tokenize")];
    options.smooth = smooths[cli_choice(args, "smooth")];
    options.smooth_value = cli_float(args, "smooth-value");
    options.lowercase = cli_flag(args, "lowercase");
    options.effective_order = cli_flag(args, "effective-order");
    n++; /* and the hypotheses */
    inputs = wg_calloc(n, sizeof *inputs);
    texts = wg_calloc(n, sizeof *texts);
    if (!inputs || !texts) exit_status = cli_error("out of memory");
    for (size_t i = 0; i < n && exit_status == CLI_FINE; i++) {
        /* References first: a mistyped name is told before standard input is waited for. */
        size_t which = (i + 1) % n;

        inputs[which] = open_input(which ? refs[which - 1] : NULL);
        if (!inputs[which])
            exit_status = CLI_TROUBLE;
        else
            opened++;
    }
    if (exit_status == CLI_FINE && wg_bleu_new(&options, &bleu, &err) != WG_OK)
        exit_status = cli_fail(&err);
    if (exit_status == CLI_FINE) exit_status = add_all(bleu, inputs, n, texts);
    if (exit_status == CLI_FINE && wg_bleu_score(bleu, &result, &err) != WG_OK)
        exit_status = cli_fail(&err);
    if (exit_status == CLI_FINE) exit_status = print_result(&result, cli_choice(args, "format"));
    wg_bleu_free(bleu);
    for (size_t i = 0; inputs && opened > 0 && i < n; i++) close_input(inputs[i]);
    wg_free(inputs);
    wg_free(texts);
    return exit_status;
}

const cli_command cli_command_score_bleu = {
    .path = {"score", "bleu"},
    .summary = "score translations with BLEU, as sacreBLEU does",
    .description =
        "Reads one translation a line from standard input and compares it with the same line of "
        "each reference. Prints the corpus score, the n-gram precisions, the brevity penalty and "
        "lengths, and a signature that says how the score was made: sacreBLEU with the same "
        "settings gives the same score.\n\n"
        "Texts are UTF-8, plain or gzipped. All must have the same number of lines; an empty line "
        "is a translation of no words.",
    .operands =
        (const cli_operand[]){
            {.name = "REF",
             .help = "Reference translations, one a line; several files are several references",
             .repeat = true,
             .path = true},
            {0}},
    .options =
        (const cli_option[]){
            {.name = "tokenize",
             .kind = CLI_CHOICE,
             .choices = CLI_CHOICES("none", "char", "13a"),
             .fallback = "13a",
             .help = "How lines are cut into tokens: at white space, into characters, or by the "
                     "rules of mteval-v13a. Text that is already tokenised wants none"},
            {.name = "lowercase", .kind = CLI_FLAG, .help = "Ignore case"},
            {.name = "smooth",
             .kind = CLI_CHOICE,
             .choices = CLI_CHOICES("exp", "none", "floor", "add-k"),
             .fallback = "exp",
             .help = "What stands in for a precision of zero"},
            {.name = "smooth-value",
             .kind = CLI_FLOAT,
             .fallback = "0",
             .min = 0,
             .max = 1e6,
             .help = "Value of floor and add-k; 0 means 0.1 and 1"},
            {.name = "effective-order",
             .kind = CLI_FLAG,
             .help = "Leave out n-gram orders for which every translation is too short"},
            {.name = "format",
             .kind = CLI_CHOICE,
             .choices = CLI_CHOICES("text", "json", "score"),
             .fallback = "text",
             .help = "text: a line and the signature; json: everything; score: the number alone"},
            {0}},
    .examples =
        (const cli_example[]){{"Score tokenised output against one reference",
                               "wengert score bleu --tokenize none test.fr < out.fr"},
                              {"Two references, the number alone",
                               "wengert score bleu --format score ref0.gz ref1.gz < out.txt"},
                              {0}},
    .run = run_score_bleu,
};
