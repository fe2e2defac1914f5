/* `wengert gradcheck`: are the gradients of cells and ops right? Against central differences, in
 * f64; and outputs against those of another program. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include <wengert/gradcheck.h>
#include <wengert/memory.h>

#include "gradcheck.h"

typedef struct tally {
    int right, wrong, unchecked, trouble;
} tally;

/* What one run of the command is about. */
typedef struct job {
    const cli_args *args;
    gc_settings settings;
    bool brief; /* several things are checked: a line each, the whole report of what is wrong */
    bool print;
    const char *dot;
    tally tally;
} job;

/* "8,3,5,2": T,B,X,H, or with O after them. */
static int parse_sizes(const cli_args *args, const char *text, int64_t *size)
{
    const char *whole = text;
    for (int n = 0;; n++) {
        char word[24];
        size_t length = strcspn(text, ",");
        snprintf(word, sizeof word, "%.*s", length < 23 ? (int)length : 23, text);
        if (n == GC_SIZES || !cli_parse_int(word, &size[n]) || size[n] < 1 || size[n] > 1000 ||
            (text[length] == '\0' && n < GC_H))
            return cli_usage_error(args,
                                   "option '--size': '%s' is not T,B,X,H or T,B,X,H,O: steps, "
                                   "rows, input, hidden and output size, each from 1 to 1000",
                                   whole);
        text += length;
        if (*text == '\0') break;
        text++;
    }
    for (int i = 0; i < GC_SIZES; i++)
        for (int j = 0; j < i; j++)
            if (size[i] == size[j]) {
                cli_warn("sizes %s are not all different: a transposed product may go unnoticed",
                         whole);
                return CLI_FINE;
            }
    return CLI_FINE;
}

/* Does what was recorded hold a gradient back on purpose? */
static bool stops_gradients(const gc_subject *s)
{
    char *text = NULL;
    if (wg_print(s->tape, s->out, s->n_out, &text, NULL) != WG_OK) return false;
    bool stops = strstr(text, " = stop_gradient(") != NULL;
    wg_free(text);
    return stops;
}

static wg_gradcheck_options check_options(const job *j, bool name_op)
{
    return (wg_gradcheck_options){.size = sizeof(wg_gradcheck_options),
                                  .step = j->settings.step,
                                  .tolerance = j->settings.tolerance,
                                  .seed = j->settings.seed,
                                  .order = j->settings.order,
                                  .name_op = name_op,
                                  .trace = cli_trace()};
}

/* The first op of a cell whose own gradient is wrong: found in one step, without the scan and the
 * masks for lengths around it. */
static int name_wrong_op(job *j, const wg_cell *cell)
{
    gc_subject s = {0};
    wg_error err;
    const wg_gradcheck_options options = check_options(j, true);
    wg_gradcheck_report report = {.size = sizeof report};
    wg_status status = gc_record_step(&s, cell, &j->settings, &err);
    if (!status) status = wg_gradcheck(s.out, s.n_out, NULL, 0, &options, &report, &err);
    if (!status && report.first_wrong_op[0])
        printf("first wrong op: %s\n", report.first_wrong_op);
    else if (!status)
        printf("%s%s\n",
               report.passed ? "one step by itself is right: the error shows over time only"
                             : "each op of a step is right by itself",
               stops_gradients(&s) ? "; stop_gradient holds a gradient back" : "");
    wg_gradcheck_report_free(&report);
    gc_subject_free(&s);
    return status ? cli_fail(&err) : CLI_FINE;
}

/* Checks what was recorded and says what came out. */
static int check_subject(job *j, const char *kind, const char *name, const wg_cell *cell,
                         const gc_subject *s)
{
    wg_error err;
    const wg_gradcheck_options options = check_options(j, !cell);
    wg_gradcheck_report report = {.size = sizeof report};
    if (j->print && gc_print_equations(s) != CLI_FINE) return CLI_TROUBLE;
    if (j->dot && gc_write_dot(s, j->dot) != CLI_FINE) return CLI_TROUBLE;
    if (wg_gradcheck(s->out, s->n_out, NULL, 0, &options, &report, &err) != WG_OK)
        return cli_fail(&err);
    int64_t checked = 0;
    for (int i = 0; i < report.n_leaves; i++) checked += report.leaves[i].checked;
    int status = report.passed ? CLI_FINE : CLI_CHECK_FAILED;
    if (checked == 0) { /* passed, but of nothing */
        printf("%-8s %-4s %-24s its outputs depend on nothing that can be differentiated\n",
               "NOTHING", kind, name);
        status = CLI_CHECK_FAILED;
    } else if (j->brief) {
        gc_print_line(report.passed ? "ok" : "WRONG", kind, name, &report);
        if (!report.passed) gc_print_report(report.text);
        if (cell) gc_print_without_effect(&report);
    } else {
        printf("%s %s: ", kind, name);
        gc_print_report(report.text);
        if (cell) gc_print_without_effect(&report);
    }
    wg_gradcheck_report_free(&report);
    if (status == CLI_CHECK_FAILED && checked > 0 && cell && name_wrong_op(j, cell) != CLI_FINE)
        return CLI_TROUBLE;
    return status;
}

/* `cell` is NULL for an op; `status` is that of recording. */
static void settle(job *j, const char *kind, const char *name, const wg_cell *cell, gc_subject *s,
                   wg_status status, const wg_error *err)
{
    int result = CLI_TROUBLE;
    if (status == WG_OK) {
        result = check_subject(j, kind, name, cell, s);
    } else if (status == WG_ENOTSUP) {
        printf("%-8s %-4s %-24s not checked: %s\n", "-", kind, name, err->message);
        j->tally.unchecked++;
        gc_subject_free(s);
        return;
    } else {
        cli_error("%s %s: %s", kind, name, err->message);
    }
    j->tally.right += result == CLI_FINE;
    j->tally.wrong += result == CLI_CHECK_FAILED;
    j->tally.trouble += result == CLI_TROUBLE;
    gc_subject_free(s);
}

static void check_cell(job *j, const wg_cell *cell)
{
    gc_subject subject = {0};
    wg_error err;
    wg_status status = gc_record_cell(&subject, cell, &j->settings, &err);
    settle(j, "cell", cell->name, cell, &subject, status, &err);
}

static void check_op(job *j, const wg_op *op)
{
    gc_subject subject = {0};
    wg_error err;
    wg_status status = gc_record_op(&subject, op, &j->settings, &err);
    settle(j, "op", op->name, NULL, &subject, status, &err);
}

static int unknown(const char *kind, const char *name, const char *(*at)(int), int n)
{
    cli_nearest nearest = {0};
    char hint[160];
    for (int i = 0; i < n; i++) cli_nearest_try(&nearest, name, at(i));
    return cli_error("no %s '%s'%s; a plugin's needs --plugin FILE.so", kind, name,
                     cli_nearest_text(&nearest, "", hint, sizeof hint));
}

static const char *cell_name_at(int i)
{
    return wg_cell_at(i)->name;
}

static const char *op_name_at(int i)
{
    return wg_op_at(i)->name;
}

/* Names are looked up before anything is checked. */
static int check_named(job *j, const char *const *cells, size_t n_cells, const char *const *ops,
                       size_t n_ops)
{
    for (size_t i = 0; i < n_cells; i++)
        if (!wg_find_cell(cells[i]))
            return unknown("cell", cells[i], cell_name_at, wg_cell_count());
    for (size_t i = 0; i < n_ops; i++)
        if (!wg_find_op(ops[i])) return unknown("op", ops[i], op_name_at, wg_op_count());
    for (size_t i = 0; i < n_cells; i++) check_cell(j, wg_find_cell(cells[i]));
    for (size_t i = 0; i < n_ops; i++) check_op(j, wg_find_op(ops[i]));
    /* Asked for by name and not done: that is no success. */
    j->tally.trouble += j->tally.unchecked;
    return CLI_FINE;
}

static int check_all(job *j)
{
    for (int i = 0; i < wg_cell_count(); i++) check_cell(j, wg_cell_at(i));
    for (int i = 0; i < wg_op_count(); i++) check_op(j, wg_op_at(i));
    return CLI_FINE;
}

static int run_gradcheck(const cli_args *args)
{
    size_t n_cells = 0, n_ops = 0;
    const char *const *cells = cli_strings(args, "cell", &n_cells);
    const char *const *ops = cli_strings(args, "op", &n_ops);
    const char *reference = cli_string(args, "reference");
    bool all = cli_flag(args, "all");
    job j = {.args = args,
             .brief = all || n_cells + n_ops > 1,
             .print = cli_flag(args, "print"),
             .dot = cli_string(args, "dot"),
             .settings = {.tolerance = cli_float(args, "tolerance"),
                          .step = cli_float(args, "step"),
                          .order = (int)cli_int(args, "order"),
                          .seed = (uint64_t)cli_int(args, "seed"),
                          .size = {4, 3, 5, 2, 6}}};
    if (!all && n_cells + n_ops == 0)
        return cli_usage_error(args, "nothing to check: give --cell NAME, --op NAME or --all");
    if (all && n_cells + n_ops > 0)
        return cli_usage_error(args, "--all checks everything; leave out --cell and --op");
    if (j.dot && j.brief)
        return cli_usage_error(args, "option '--dot': needs one --cell or one --op");
    if (reference && (n_cells != 1 || n_ops > 0))
        return cli_usage_error(args, "option '--reference': needs one --cell");
    if (cli_given(args, "size")) {
        int status = parse_sizes(args, cli_string(args, "size"), j.settings.size);
        if (status != CLI_FINE) return status;
    }
    int status = all ? check_all(&j) : check_named(&j, cells, n_cells, ops, n_ops);
    if (status == CLI_FINE && reference && j.tally.trouble == 0) {
        status =
            gc_reference(wg_find_cell(cells[0]), reference, cli_float(args, "reference-tolerance"));
        if (status == CLI_CHECK_FAILED) {
            j.tally.wrong++;
            status = CLI_FINE;
        }
    }
    if (j.brief && status == CLI_FINE)
        printf("%d right, %d wrong, %d not checked%s\n", j.tally.right, j.tally.wrong,
               j.tally.unchecked,
               j.tally.trouble > j.tally.unchecked ? ", some could not be recorded or run" : "");
    if (status != CLI_FINE || j.tally.trouble) return CLI_TROUBLE;
    return j.tally.wrong ? CLI_CHECK_FAILED : CLI_FINE;
}

const cli_command cli_command_gradcheck = {
    .path = {"gradcheck"},
    .summary = "check the gradients of cells and ops",
    .description =
        "Compares gradients with central differences in f64, element by element. A cell runs in a "
        "scan over a short padded batch whose sizes all differ, and is checked with respect to "
        "its input, initial states and parameters. An op runs on sample inputs: its own, where the "
        "tool has some, else inputs that its shape rule accepts.\n\n"
        "Prints a table of leaves with the worst error of each, names the first op whose gradient "
        "is wrong, and reports parameters that nothing uses and points without a derivative "
        "(kinks). What cannot be checked is said and never counted as right. The exit status is 1 "
        "when a gradient is wrong.\n\n"
        "--reference compares outputs with those of an independent program, as arrays in an .npz: "
        "x [T,B,X], the parameters by their names in the shapes of the cell's table, and "
        "optionally lengths [B] and initial states (state h: h0 [B,H]); against y [T,B,O] and "
        "final states (hT [B,H]), at least one of them.",
    .options =
        (const cli_option[]){
            {.name = "cell",
             .kind = CLI_STRINGS,
             .metavar = "NAME",
             .help = "Check this cell; may be given several times"},
            {.name = "op",
             .kind = CLI_STRINGS,
             .metavar = "NAME",
             .help = "Check this op; may be given several times"},
            {.name = "all", .kind = CLI_FLAG, .help = "Check every cell and op, plugins' included"},
            {.name = "order",
             .kind = CLI_INT,
             .fallback = "1",
             .min = 1,
             .max = 2,
             .help = "2 checks second derivatives as well"},
            {.name = "tolerance",
             .kind = CLI_FLOAT,
             .fallback = "1e-7",
             .min = 0,
             .max = 1,
             .above_min = true,
             .help = "Largest relative error of a derivative that is right"},
            {.name = "step",
             .kind = CLI_FLOAT,
             .fallback = "1e-5",
             .min = 0,
             .max = 1,
             .above_min = true,
             .help = "Step of the central differences, relative to max(1, |x|)"},
            {.name = "size",
             .kind = CLI_STRING,
             .metavar = "T,B,X,H[,O]",
             .fallback = "4,3,5,2,6",
             .help = "Steps, rows, input, hidden and output size of cells; O matters to cells "
                     "whose shapes name it"},
            {.name = "reference",
             .kind = CLI_PATH,
             .metavar = "FILE.npz",
             .help = "Also run the cell on the inputs in FILE and compare with the outputs there"},
            {.name = "reference-tolerance",
             .kind = CLI_FLOAT,
             .fallback = "0",
             .min = 0,
             .max = 1,
             .help = "Largest difference from the reference, relative to max(1, |reference|); 0 is "
                     "1e-9 for arrays of f64 and 1e-5 for f32"},
            {.name = "print", .kind = CLI_FLAG, .help = "Print the recorded equations"},
            {.name = "dot",
             .kind = CLI_PATH,
             .metavar = "FILE",
             .help = "Write the recorded graph for Graphviz"},
            {0},
        },
    .examples =
        (const cli_example[]){
            {"Check a cell from a plugin", "wengert gradcheck --plugin ./mycell.so --cell mycell"},
            {"Second derivatives too, with the equations",
             "wengert gradcheck --cell gru --order 2 --print"},
            {"Everything there is", "wengert gradcheck --all"},
            {"Compare with another implementation",
             "wengert gradcheck --cell lstm --reference lstm.npz"},
            {0},
        },
    .run = run_gradcheck,
};
