/* PyTorch's state dicts as ours and back: names, and everything that is no recurrent layer. */
#include "interop_internal.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include <wengert/memory.h>

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "conversion: out of memory");
}

/* ---- names ---- */

/* Digits of a layer's number; false for anything else, and for more than three digits. */
static bool read_layer(const char **at, int *layer)
{
    const char *start = *at;
    *layer = 0;
    while (**at >= '0' && **at <= '9' && *at - start < 3) *layer = *layer * 10 + *(*at)++ - '0';
    return *at > start;
}

/* "P.weight_ih_l0_reverse" -> place and part. */
static bool parse_theirs(const char *name, place *p, const char **which)
{
    const char *own = name;
    for (const char *c = name; *c; c++)
        if (*c == '.' || *c == '/') own = c + 1;
    for (int i = 0; i < WG__THEIR_PARTS; i++) {
        size_t n = strlen(wg__interop_their_parts[i]);
        if (strncmp(own, wg__interop_their_parts[i], n) != 0 || strncmp(own + n, "_l", 2) != 0)
            continue;
        const char *at = own + n + 2;
        if (!read_layer(&at, &p->layer)) return false;
        p->reverse = strcmp(at, "_reverse") == 0;
        if (!p->reverse && *at) return false;
        snprintf(p->prefix, sizeof p->prefix, "%.*s", (int)(own - name), name);
        *which = wg__interop_their_parts[i];
        return true;
    }
    return false;
}

/* "P.l0.fw.Wx" -> place and part. */
static bool parse_ours(const char *name, place *p, const char **which)
{
    const char *dot = strrchr(name, '.');
    if (!dot || dot - name < 5) return false;
    p->reverse = strncmp(dot - 3, ".bw", 3) == 0;
    if (!p->reverse && strncmp(dot - 3, ".fw", 3) != 0) return false;
    const char *at = dot - 3;
    while (at > name && at[-1] >= '0' && at[-1] <= '9') at--;
    if (at < name + 1 || at[-1] != 'l' || (at - 1 > name && at[-2] != '.')) return false;
    snprintf(p->prefix, sizeof p->prefix, "%.*s", (int)(at - 1 - name), name);
    if (!read_layer(&at, &p->layer) || at != dot - 3) return false;
    for (int l = 0; l < wg__interop_layout_count; l++)
        for (int i = 0; i < wg__interop_layouts[l].n_parts; i++)
            if (strcmp(wg__interop_layouts[l].part[i].ours, dot + 1) == 0) {
                *which = wg__interop_layouts[l].part[i].ours;
                return true;
            }
    return false;
}

/* Applies the map: the length of the result, or -1 where that is too long. */
int wg__interop_map(const job *j, const char *name, char *to, size_t size)
{
    size_t longest = 0;
    const char *with = "";
    for (int i = 0; i < j->o.n_map; i++) {
        const char *equals = strchr(j->o.map[i], '=');
        size_t n = equals ? (size_t)(equals - j->o.map[i]) : 0;
        if (!equals || strncmp(name, j->o.map[i], n) != 0 || (n < longest)) continue;
        /* An empty FROM fits anything, and stands behind all others. */
        if (n == 0 && longest > 0) continue;
        longest = n;
        with = equals + 1;
    }
    int n = snprintf(to, size, "%s%s", with, name + longest);
    return n >= 0 && (size_t)n < size ? n : -1;
}

wg_status wg__interop_put(job *j, const char *name, wg_tensor *t)
{
    wg_status status = wg_state_put_tensor(j->out, name, t, j->err);
    if (status != WG_OK) wg_tensor_free(t);
    return status;
}

wg_status wg__interop_misfit(const job *j, const char *name, const char *what)
{
    return wg_error_set(j->err, WG_EFORMAT, "conversion: '%s' %s", name, what);
}

/* ---- everything else ---- */

static bool is_transposed(const job *j, const char *name)
{
    for (int i = 0; i < j->o.n_transpose; i++)
        if (fnmatch(j->o.transpose[i], name, 0) == 0) return true;
    return false;
}

static wg_status copy_other(job *j, int i)
{
    char name[2 * NAME];
    size_t length;
    const char *text = wg_state_text_at(j->in, i, &length);
    if (text) return wg_state_put_text(j->out, wg_state_name(j->in, i), text, length, j->err);
    const char *old = wg_state_name(j->in, i);
    wg_tensor *from = wg_state_tensor_at(j->in, i), *t;
    wg_shape s = wg_tensor_shape(from);
    bool turn = s.rank == 2 && is_transposed(j, old);
    if (wg__interop_map(j, old, name, sizeof name) <= 0)
        return wg__interop_misfit(j, old, "would get no name");
    wg_status status =
        turn ? wg_tensor_new(wg_tensor_dtype(from), WG_SHAPE(s.dim[1], s.dim[0]), &t, j->err)
             : wg_tensor_clone(from, &t, j->err);
    if (status) return status;
    for (int64_t r = 0; r < s.dim[0] && turn; r++)
        for (int64_t c = 0; c < s.dim[1]; c++)
            wg_tensor_set(t, c * s.dim[0] + r, wg_tensor_get(from, r * s.dim[1] + c));
    j->report.others++;
    j->report.transposed += turn;
    return wg__interop_put(j, name, t);
}

static bool is_permutation(const char *gates, const char *of)
{
    if (!gates) return true;
    for (const char *c = of; *c; c++)
        if (!strchr(gates, *c)) return false;
    return strlen(gates) == strlen(of);
}

static wg_status check_options(const wg_interop_options *o, wg_error *err)
{
    for (int i = 0; i < o->n_map; i++)
        if (!strchr(o->map[i], '='))
            return wg_error_set(err, WG_EINVAL, "conversion: '%s' is not FROM=TO", o->map[i]);
    if (strcmp(o->gru, "gru") != 0 && strcmp(o->gru, "gru-reset-before") != 0)
        return wg_error_set(err, WG_EINVAL, "conversion: no form of GRU is called '%s'", o->gru);
    if (!is_permutation(o->lstm_gates, "ifgo") || !is_permutation(o->gru_gates, "rzn"))
        return wg_error_set(err, WG_EINVAL,
                            "conversion: an order of gates has each of 'ifgo', or of 'rzn', once");
    return WG_OK;
}

typedef enum direction { RENAME, IMPORT, EXPORT } direction;
typedef bool (*parser)(const char *name, place *p, const char **which);

static bool parse_none(const char *name, place *p, const char **which)
{
    (void)name, (void)p, (void)which;
    return false;
}

/* Layers are converted where their first part stands, all parts at once. */
static wg_status run(const wg_state *in, const wg_interop_options *options, wg_state *out,
                     wg_interop_report *report, direction way, wg_error *err)
{
    job j = {.in = in, .out = out, .err = err};
    if (options && options->size >= sizeof *options) j.o = *options;
    if (!j.o.gru) j.o.gru = "gru";
    parser parse = way == IMPORT ? parse_theirs : way == EXPORT ? parse_ours : parse_none;
    wg_status status = check_options(&j.o, err);
    int n = wg_state_count(in);
    place *done = wg_calloc((size_t)n + 1, sizeof *done);
    int n_done = 0;
    if (!done) return no_memory(err);
    for (int i = 0; i < n && status == WG_OK; i++) {
        place p;
        const char *which;
        bool before = false;
        if (!wg_state_tensor_at(in, i) || !parse(wg_state_name(in, i), &p, &which)) {
            status = copy_other(&j, i);
            continue;
        }
        for (int k = 0; k < n_done && !before; k++)
            before = done[k].layer == p.layer && done[k].reverse == p.reverse &&
                     strcmp(done[k].prefix, p.prefix) == 0;
        if (before) continue;
        done[n_done++] = p;
        status = way == IMPORT ? wg__interop_import(&j, &p) : wg__interop_export(&j, &p);
    }
    wg_free(done);
    if (report) *report = j.report;
    return status;
}

wg_status wg_interop_from_pytorch(const wg_state *in, const wg_interop_options *options,
                                  wg_state *out, wg_interop_report *report, wg_error *err)
{
    return run(in, options, out, report, IMPORT, err);
}

wg_status wg_interop_to_pytorch(const wg_state *in, const wg_interop_options *options,
                                wg_state *out, wg_interop_report *report, wg_error *err)
{
    return run(in, options, out, report, EXPORT, err);
}

wg_status wg_interop_rename(const wg_state *in, const wg_interop_options *options, wg_state *out,
                            wg_interop_report *report, wg_error *err)
{
    return run(in, options, out, report, RENAME, err);
}
