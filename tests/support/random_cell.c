/* Programs of random cells compared, failures shrunk: see random_cell.h. */
#include "random_body.h"

#include <math.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/parallel.h>
#include <wengert/program.h>

/* f64: 1e-12; f32: 256 units in the last place (2^-23). Both against the largest element of a
 * result, since sums over T B rows in another order differ by the terms they have. Where two
 * instruction sets differ by more, node by node, rounding alone does that (second gradients of wide
 * cells): then four times as much. */
static const double tolerance[2] = {1e-12, 256.0 / (1 << 23)};

typedef struct variant {
    const char *name;
    wg_compile_options options;
} variant;

static const char *const some_passes[] = {"-hoist",
                                          "-sink",
                                          "-hoist,-sink",
                                          "-fuse",
                                          "-common subexpressions",
                                          "-merge products",
                                          "-invariant code",
                                          "-views before maps",
                                          "-implicit broadcasts",
                                          "-merge scans",
                                          "-merge sums",
                                          "-pack weights"};
enum { N_PASSES = sizeof some_passes / sizeof *some_passes, MOST_VARIANTS = N_PASSES + 8 };

static int variants_of(const wgt_cell *c, variant *v)
{
    int n = 0;
    if (c->without) {
        v[0] = (variant){c->without, {.size = sizeof v[0].options, .threads = 1}};
        v[0].options.passes = c->without;
        return 1;
    }
    wg_rng rng;
    wg_rng_init(&rng, c->seed, "variants");
    const wg_compile_options all = {.size = sizeof all, .threads = 1, .passes = ""};
    v[n] = (variant){"all passes", all};
    n++;
    for (int isa = 0; isa < (int)wg_isa_best(); isa++) {
        v[n] = (variant){wg_isa_name((wg_isa)isa), all};
        v[n].options.isa = isa + 1;
        n++;
    }
    if (wg_rng_below(&rng, 4) == 0 || c->every_pass) {
        v[n] = (variant){"all passes, 2 threads", all};
        v[n++].options.threads = 2;
    }
    uint32_t one = wg_rng_below(&rng, N_PASSES), other = wg_rng_below(&rng, N_PASSES);
    for (uint32_t i = 0; i < N_PASSES; i++) {
        if (!c->every_pass && i != one && i != other) continue;
        v[n] = (variant){some_passes[i], all};
        v[n].options.passes = some_passes[i];
        n++;
    }
    return n;
}

typedef struct report {
    bool failed;
    char what[4096];
    int length; /* of the recorded list */
    double worst;
} report;

/* Deviation in units of the tolerance, against the largest element; NaN and infinity must be in the
 * same places. */
static double deviation(const wg_tensor *a, const wg_tensor *b, double tol, int64_t *where)
{
    double most = 1e-3, worst = 0;
    *where = 0;
    for (int64_t i = 0; i < wg_tensor_count(b); i++)
        if (isfinite(wg_tensor_get(b, i))) most = fmax(most, fabs(wg_tensor_get(b, i)));
    for (int64_t i = 0; i < wg_tensor_count(b); i++) {
        double x = wg_tensor_get(a, i), y = wg_tensor_get(b, i);
        double d = fabs(x - y) / (tol * most);
        if ((isnan(x) && isnan(y)) || x == y) d = 0;
        if (isnan(d)) d = INFINITY;
        if (d > worst) {
            worst = d;
            *where = i;
        }
    }
    return worst;
}

/* Records and compares; the listing of the forward part goes to *text where it is wanted. */
static void check(const wgt_cell *c, report *r, char **text)
{
    wgt_world w;
    wg_error err = {WG_OK, ""};
    wg_tape *tape;
    variant v[MOST_VARIANTS];
    wg_var out[WGT_WORLD_OUT];
    wg_program *like[WG_ISAS] = {NULL}, *p = NULL;
    double allowed[WGT_WORLD_OUT];
    int best = (int)wg_isa_best();
    const double tol = tolerance[c->dtype == WG_F32];
    memset(r, 0, sizeof *r);
    wgt_world_new(&w, c);
    WGT_OK(wg_tape_new(&tape, &err), &err);
    int n_out = wgt_world_record(&w, tape, out), n = variants_of(c, v);
    wg_compile_options plain = {.size = sizeof plain, .threads = 1, .node_by_node = true};
    wg_status status = wg_tape_status(tape, &err);
    r->length = (int)wg_tape_length(tape);
    for (int isa = 0; isa <= best && status == WG_OK; isa++) {
        plain.isa = isa + 1;
        status = wg_compile(out, n_out, &plain, &like[isa], &err);
        if (status == WG_OK) status = wg_program_run(like[isa], &err);
    }
    if (status != WG_OK) {
        r->failed = true;
        snprintf(r->what, sizeof r->what, "node by node: %s", err.message);
    }
    for (int k = 0; k < n_out && !r->failed; k++) {
        int64_t at;
        allowed[k] = 1;
        for (int isa = 0; isa < best; isa++)
            allowed[k] =
                fmax(allowed[k], 4 * deviation(wg_program_output(like[isa], k),
                                               wg_program_output(like[best], k), tol, &at));
    }
    for (int i = 0; i < n && !r->failed; i++) {
        int isa = v[i].options.isa ? v[i].options.isa - 1 : best;
        status = wg_compile(out, n_out, &v[i].options, &p, &err);
        for (int run = 0; run < 2 && status == WG_OK; run++) status = wg_program_run(p, &err);
        if (status != WG_OK) {
            r->failed = true;
            snprintf(r->what, sizeof r->what, "%.40s: %.2000s", v[i].name, err.message);
        }
        for (int k = 0; k < n_out && !r->failed; k++) {
            int64_t at;
            const wg_tensor *a = wg_program_output(p, k), *b = wg_program_output(like[isa], k);
            double d = deviation(a, b, tol, &at) / allowed[k];
            r->worst = fmax(r->worst, d);
            if (d <= 1) continue;
            r->failed = true;
            snprintf(
                r->what, sizeof r->what,
                "%.40s: output %d of %d, element %d: %.17g, node by node %.17g (%.3g times the "
                "tolerance)",
                v[i].name, k, n_out, (int)at, wg_tensor_get(a, at), wg_tensor_get(b, at), d);
        }
        wg_program_free(p);
        p = NULL;
    }
    if (text && wg_print(tape, out, 1, text, &err) != WG_OK) *text = NULL;
    for (int isa = 0; isa <= best; isa++) wg_program_free(like[isa]);
    wg_tape_free(tape);
    wgt_world_free(&w);
}

/* Fewer operations, fewer features, as long as it fails; then it is told in full. */
static void shrink_and_fail(wgt_cell c)
{
    report r, first;
    check(&c, &first, NULL);
    wgt_cell was = c;
    for (int ops = 0; ops < was.ops; ops++) {
        c.ops = ops;
        check(&c, &r, NULL);
        if (r.failed) break;
        c.ops = was.ops;
    }
    for (uint32_t bit = 1; bit < WGT_CELL_ALL; bit <<= 1) {
        if (!(c.features & bit)) continue;
        c.features &= ~bit;
        check(&c, &r, NULL);
        if (!r.failed) c.features |= bit;
    }
    for (int ops = 0; ops < c.ops; ops++) {
        wgt_cell d = c;
        d.ops = ops;
        check(&d, &r, NULL);
        if (r.failed) c = d;
    }
    char *text = NULL;
    c.every_pass = true;
    check(&c, &r, &text);
    print_error("%s\n", "the cell, shrunk:");
    fputs(text ? text : "", stderr);
    wg_free(text);
    for (int i = 0; i < N_PASSES; i++) {
        wgt_cell d = c;
        report alone;
        d.without = some_passes[i];
        check(&d, &alone, NULL);
        print_error("%s: %s\n", some_passes[i], alone.failed ? "fails too" : "holds");
    }
    fail_msg("cell %llu (%s, features %#x, %d operations): %s\nshrunk to features %#x, %d "
             "operations, listing above: %s",
             (unsigned long long)was.seed, wg_dtype_name(was.dtype), was.features, was.ops,
             first.what, c.features, c.ops, r.what);
}

wgt_cell wgt_cell_of(uint64_t seed, wg_dtype dtype)
{
    wg_rng rng;
    wg_rng_init(&rng, seed, "features");
    wgt_cell c = {.seed = seed, .dtype = dtype, .features = WGT_CELL_SECOND};
    c.ops = 1 + (int)wg_rng_below(&rng, WGT_CELL_OPS);
    const struct {
        uint32_t bit, odds;
    } likely[] = {{WGT_CELL_LENGTHS, 3}, {WGT_CELL_REVERSE, 3}, {WGT_CELL_REMAT, 5},
                  {WGT_CELL_NESTED, 4},  {WGT_CELL_EXTRA, 2},   {WGT_CELL_WIDE, 6},
                  {WGT_CELL_TWICE, 5}};
    for (size_t i = 0; i < sizeof likely / sizeof *likely; i++)
        if (wg_rng_below(&rng, likely[i].odds) == 0) c.features |= likely[i].bit;
    return c;
}

void wgt_check_cells(uint64_t first, int count, wg_dtype dtype, bool every_pass)
{
    double worst = 0;
    uint64_t at = first;
    int longest = 0;
    for (int i = 0; i < count; i++) {
        wgt_cell c = wgt_cell_of(first + (uint64_t)i, dtype);
        c.every_pass = every_pass;
        report r;
        if (every_pass && count <= 50) print_message("cell %llu\n", (unsigned long long)c.seed);
        check(&c, &r, NULL);
        if (r.failed) shrink_and_fail(c);
        if (r.worst > worst) at = c.seed;
        worst = fmax(worst, r.worst);
        if (r.length > longest) longest = r.length;
    }
    print_message("%d cells from %llu, %s: at most %.3g of the tolerance (cell %llu), lists of up "
                  "to %d nodes\n",
                  count, (unsigned long long)first, wg_dtype_name(dtype), worst,
                  (unsigned long long)at, longest);
}

/* The number that text begins with, and what follows the blanks after it; NULL where there is none.
 */
static const char *number_at(const char *text, unsigned long long *number)
{
    char *end;
    errno = 0;
    *number = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
    if (!isdigit((unsigned char)*text) || errno != 0) return NULL;
    return end + strspn(end, " ");
}

bool wgt_cells_chosen(uint64_t *first, int *count)
{
    const char *text = getenv("WENGERT_CELLS");
    if (!text) return false;
    unsigned long long a, b = 0;
    const char *rest = number_at(text, &a);
    bool both = rest && *rest;
    if (both) rest = number_at(rest, &b);
    unsigned long long n = both ? b : a;
    if (!rest || *rest || n < 1 || n > INT32_MAX)
        fail_msg("WENGERT_CELLS='%s' is neither 'COUNT' nor 'FIRST COUNT'", text);
    if (both) *first = a;
    if (both || n < (unsigned long long)*count) *count = (int)n;
    return both;
}
