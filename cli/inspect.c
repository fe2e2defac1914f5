/* wengert inspect FILE: what lies in a file of tensors, and whether it is whole. */
#include "cli.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <wengert/memory.h>
#include <wengert/tensorfile.h>

enum { MAX_BINS = 1000, BAR = 50 };

static bool wanted(const cli_args *args, const char *name)
{
    size_t n = 0;
    const char *const *pattern = cli_strings(args, "names", &n);
    for (size_t i = 0; i < n; i++)
        if (fnmatch(pattern[i], name, 0) == 0) return true;
    return n == 0;
}

/* ---- as text ---- */

static void put_number(double x)
{
    char text[40];
    if (isnan(x))
        snprintf(text, sizeof text, "-");
    else
        snprintf(text, sizeof text, "%.4g", x);
    printf("  %10s", text);
}

static void put_tensor(const char *name, int width, const char *dtype, const wg_tensor *t,
                       const wg_summary *s)
{
    char shape[160];
    wg_shape sizes = wg_tensor_shape(t);
    cli_put_text(stdout, name, strlen(name));
    printf("%*s  %-4s  %-16s", (int)strlen(name) < width ? width - (int)strlen(name) : 0, "", dtype,
           wg_shape_format(&sizes, shape, sizeof shape));
    put_number(s->min);
    put_number(s->max);
    put_number(s->mean);
    put_number(s->std);
    printf("  %6.2f  %6" PRId64 "  %6" PRId64 "\n",
           s->count ? 100 * (double)s->zeros / (double)s->count : 0.0, s->nan, s->inf);
}

static void put_histogram(const wg_summary *s, int bins, const int64_t *count)
{
    int64_t most = 1;
    for (int i = 0; i < bins; i++)
        if (count[i] > most) most = count[i];
    for (int i = 0; i < bins && s->count > s->nan + s->inf; i++) {
        int length = (int)((double)count[i] / (double)most * BAR + 0.5);
        printf("  %11.4g  %-*.*s  %" PRId64 "\n", s->min + (s->max / bins - s->min / bins) * i, BAR,
               length, "##################################################", count[i]);
    }
}

static void put_header(int width)
{
    printf("%-*s  %-4s  %-16s  %10s  %10s  %10s  %10s  %6s  %6s  %6s\n", width, "name", "type",
           "shape", "min", "max", "mean", "std", "zero %", "NaN", "inf");
}

/* ---- as JSON ---- */

static bool add_number(cJSON *object, const char *name, double x)
{
    /* JSON has no NaN, and infinities cannot be among these. */
    return isfinite(x) ? cJSON_AddNumberToObject(object, name, x) != NULL
                       : cJSON_AddNullToObject(object, name) != NULL;
}

static cJSON *tensor_json(const char *name, const char *dtype, const wg_tensor *t,
                          const wg_summary *s, int bins, const int64_t *count)
{
    cJSON *object = cJSON_CreateObject();
    char *safe = cli_escape(name, strlen(name));
    wg_shape shape = wg_tensor_shape(t);
    bool good = safe && cJSON_AddStringToObject(object, "name", safe) &&
                cJSON_AddStringToObject(object, "dtype", dtype);
    free(safe);
    cJSON *list = good ? cJSON_AddArrayToObject(object, "shape") : NULL;
    good = list != NULL;
    for (int i = 0; i < shape.rank && good; i++)
        good = cJSON_AddItemToArray(list, cJSON_CreateNumber((double)shape.dim[i]));
    good = good && add_number(object, "min", s->min) && add_number(object, "max", s->max) &&
           add_number(object, "mean", s->mean) && add_number(object, "std", s->std) &&
           cJSON_AddNumberToObject(object, "nan", (double)s->nan) &&
           cJSON_AddNumberToObject(object, "inf", (double)s->inf) &&
           add_number(object, "zeros", s->count ? (double)s->zeros / (double)s->count : 0);
    list = good ? cJSON_AddArrayToObject(object, "histogram") : NULL;
    for (int i = 0; i < bins && list; i++)
        if (!cJSON_AddItemToArray(list, cJSON_CreateNumber((double)count[i]))) list = NULL;
    if (list) return object;
    cJSON_Delete(object);
    return NULL;
}

/* ---- both ---- */

typedef struct inspection {
    const cli_args *args;
    const char *path;
    wg_tensorfile *file;
    cJSON *tensors, *texts; /* NULL: as text */
    int width, bins;
    int64_t *count;
    int unread; /* tensors of types that are not read */
} inspection;

static int no_memory(void)
{
    return cli_error("%s", wg_strerror(WG_ENOMEM));
}

static int show_tensor(inspection *in, int64_t i)
{
    wg_error err = {0};
    wg_tensor *t;
    wg_summary s;
    const char *name = wg_tensorfile_name(in->file, i), *dtype = wg_tensorfile_dtype(in->file, i);
    wg_status status = wg_tensorfile_tensor(in->file, i, &t, &err);
    if (status == WG_EDTYPE || status == WG_ENOTSUP || status == WG_ELIMIT) {
        cli_warn("%s", err.message);
        in->unread++;
        return CLI_FINE;
    }
    if (status) return cli_fail(&err);
    if (!dtype) dtype = wg_dtype_name(wg_tensor_dtype(t));
    wg_tensor_summary(t, &s);
    wg_tensor_histogram(t, &s, in->bins, in->count);
    int result = CLI_FINE;
    if (in->tensors) {
        cJSON *object = tensor_json(name, dtype, t, &s, in->bins, in->count);
        if (!object || !cJSON_AddItemToArray(in->tensors, object)) result = no_memory();
    } else {
        put_tensor(name, in->width, dtype, t, &s);
        if (cli_flag(in->args, "histogram")) put_histogram(&s, in->bins, in->count);
    }
    wg_tensor_free(t);
    return result;
}

/* A text that is JSON stands in the output as JSON, any other as a string. */
static int show_text(inspection *in, int64_t i)
{
    wg_error err = {0};
    char *text;
    size_t length;
    const char *name = wg_tensorfile_name(in->file, i);
    if (wg_tensorfile_text(in->file, i, &text, &length, &err)) return cli_fail(&err);
    int result = CLI_FINE;
    size_t n = strlen(name);
    bool config = n > 5 && strcmp(name + n - 5, ".json") == 0;
    if (in->texts) {
        cJSON *item = config ? cJSON_ParseWithLength(text, length) : NULL;
        if (!item) item = cJSON_CreateNumber((double)length);
        if (!item || !cJSON_AddItemToObject(in->texts, name, item)) result = no_memory();
    } else {
        cli_put_text(stdout, name, n);
        printf("%*s  text, %zu bytes\n", (int)n < in->width ? in->width - (int)n : 0, "", length);
        cJSON *item =
            config && cli_flag(in->args, "texts") ? cJSON_ParseWithLength(text, length) : NULL;
        char *pretty = item ? cJSON_Print(item) : NULL;
        if (pretty) printf("%s\n", pretty);
        cJSON_free(pretty);
        cJSON_Delete(item);
    }
    wg_free(text);
    return result;
}

static int show_members(inspection *in)
{
    int status = CLI_FINE;
    in->width = 4;
    for (int64_t i = 0; i < wg_tensorfile_count(in->file); i++) {
        int n = (int)strlen(wg_tensorfile_name(in->file, i));
        if (n > in->width && n < 60 && wanted(in->args, wg_tensorfile_name(in->file, i)))
            in->width = n;
    }
    if (!in->tensors) put_header(in->width);
    int64_t shown = 0;
    for (int64_t i = 0; i < wg_tensorfile_count(in->file) && status == CLI_FINE; i++) {
        if (!wanted(in->args, wg_tensorfile_name(in->file, i))) continue;
        shown++;
        status = wg_tensorfile_is_tensor(in->file, i) ? show_tensor(in, i) : show_text(in, i);
    }
    if (status == CLI_FINE && shown == 0 && cli_given(in->args, "names"))
        return cli_error("%s: no member has a name like this", in->path);
    return status;
}

static int show(const cli_args *args, const char *path, wg_tensorfile *file)
{
    inspection in = {.args = args, .path = path, .file = file, .bins = (int)cli_int(args, "bins")};
    in.count = wg_calloc((size_t)in.bins, sizeof *in.count);
    if (!in.count) return no_memory();
    cJSON *root = NULL;
    if (cli_flag(args, "json")) {
        root = cJSON_CreateObject();
        if (!cJSON_AddStringToObject(root, "file", path) ||
            !cJSON_AddStringToObject(root, "format",
                                     wg_file_format_name(wg_tensorfile_format(file))) ||
            !(in.tensors = cJSON_AddArrayToObject(root, "tensors")) ||
            !(in.texts = cJSON_AddObjectToObject(root, "texts"))) {
            cJSON_Delete(root);
            wg_free(in.count);
            return no_memory();
        }
    }
    int status = show_members(&in);
    char *text = root && status == CLI_FINE ? cJSON_PrintUnformatted(root) : NULL;
    if (root && status == CLI_FINE) status = text ? CLI_FINE : no_memory();
    if (text) printf("%s\n", text);
    cJSON_free(text);
    cJSON_Delete(root);
    wg_free(in.count);
    return status;
}

/* Each damaged member is named; one damaged member does not hide the next. */
static int verify(const char *path, wg_tensorfile *file)
{
    int64_t damaged = 0, n = wg_tensorfile_count(file);
    for (int64_t i = 0; i < n; i++) {
        wg_error err = {0};
        wg_status status = wg_tensorfile_verify(file, i, &err);
        if (status == WG_EFORMAT) {
            cli_put_text(stdout, err.message, strlen(err.message));
            putchar('\n');
            damaged++;
        } else if (status) {
            return cli_fail(&err);
        }
    }
    cli_put_text(stdout, path, strlen(path));
    if (damaged)
        printf(": damaged, %" PRId64 " of %" PRId64 " members\n", damaged, n);
    else
        printf(": good, %" PRId64 " %s\n", n, n == 1 ? "member" : "members");
    return damaged ? CLI_CHECK_FAILED : CLI_FINE;
}

static int run(const cli_args *args)
{
    size_t n = 0;
    const char *const *path = cli_arg_list(args, "FILE", &n);
    int worst = CLI_FINE;
    for (size_t i = 0; i < n; i++) {
        wg_error err = {0};
        wg_tensorfile *file;
        int status;
        wg_status opened = wg_tensorfile_open(path[i], &file, &err);
        if (opened == WG_EFORMAT && cli_flag(args, "verify")) {
            cli_put_text(stdout, err.message, strlen(err.message));
            putchar('\n');
            status = CLI_CHECK_FAILED;
        } else if (opened) {
            status = cli_fail(&err);
        } else {
            status = cli_flag(args, "verify") ? verify(path[i], file) : show(args, path[i], file);
            wg_tensorfile_close(file);
        }
        if (status > worst) worst = status;
    }
    return worst;
}

const cli_command cli_command_inspect = {
    .path = {"inspect"},
    .summary = "list what lies in a file of tensors, or check it",
    .description =
        "Reads .npz, .npy and safetensors, told apart by their content. Lists each tensor with its "
        "type, shape, and least, greatest and mean element, standard deviation (of the finite "
        "ones), share of zeros, numbers of NaN and infinities; and the texts beside them, such as "
        "the configuration of a model.\n\n"
        "--verify reads every member and checks lengths and, in .npz, CRC-32. The exit status is 1 "
        "when a file is damaged.",
    .operands = (const cli_operand[]){{.name = "FILE",
                                       .help = "A model, a checkpoint, arrays of numpy ...",
                                       .repeat = true,
                                       .path = true},
                                      {0}},
    .options =
        (const cli_option[]){
            {.name = "names",
             .kind = CLI_STRINGS,
             .metavar = "PATTERN",
             .help = "Members whose name matches (*, ?, [...]) only; may be given several times"},
            {.name = "histogram", .kind = CLI_FLAG, .help = "Draw how the elements are spread"},
            {.name = "bins",
             .kind = CLI_INT,
             .fallback = "20",
             .min = 1,
             .max = MAX_BINS,
             .help = "Intervals of a histogram"},
            {.name = "texts", .kind = CLI_FLAG, .help = "Print members that are JSON in full"},
            {.name = "json",
             .kind = CLI_FLAG,
             .help = "One line of JSON a file instead, histograms and JSON members included"},
            {.name = "verify", .kind = CLI_FLAG, .help = "Check that the file is whole"},
            {0},
        },
    .examples =
        (const cli_example[]){
            {"What is in a model", "wengert inspect model/model.npz"},
            {"The recurrent weights of the encoder, drawn",
             "wengert inspect --names 'model/enc.*.Wh' --histogram model/model.npz"},
            {"Are my checkpoints whole?", "wengert inspect --verify */last.npz"},
            {0},
        },
    .run = run,
};
