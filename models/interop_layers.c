/* A recurrent layer taken apart and put together again, block by block, by the tables below: both
 * directions walk the same table, so what one does the other undoes. */
#include "interop_internal.h"

#include <stdio.h>
#include <string.h>

/* Gates: i input, f forget, g candidate, o output; r reset, z update, n candidate; h the only one.
 */
const layout wg__interop_layouts[] = {
    {"lstm",
     "ifgo",
     3,
     {{"Wx", "ifgo", "weight_ih", NULL, NULL},
      {"Wh", "ifgo", "weight_hh", NULL, NULL},
      {"b", "ifgo", "bias_ih", "bias_hh", "ifgo"}}},
    {"lstmp",
     "ifgo",
     4,
     {{"Wx", "ifgo", "weight_ih", NULL, NULL},
      {"Wh", "ifgo", "weight_hh", NULL, NULL},
      {"b", "ifgo", "bias_ih", "bias_hh", "ifgo"},
      {"Wp", NULL, "weight_hr", NULL, NULL}}},
    {"gru",
     "rzn",
     4,
     {{"Wx", "rzn", "weight_ih", NULL, NULL},
      {"Wh", "rzn", "weight_hh", NULL, NULL},
      {"b", "rzn", "bias_ih", "bias_hh", "rz"},
      {"bhn", "n", "bias_hh", NULL, NULL}}},
    {"gru-reset-before",
     "rzn",
     4,
     {{"Wx", "rzn", "weight_ih", NULL, NULL},
      {"Wh", "rz", "weight_hh", NULL, NULL},
      {"Whn", "n", "weight_hh", NULL, NULL},
      {"b", "rzn", "bias_ih", "bias_hh", "rzn"}}},
    {"rnn",
     "h",
     3,
     {{"Wx", "h", "weight_ih", NULL, NULL},
      {"Wh", "h", "weight_hh", NULL, NULL},
      {"b", "h", "bias_ih", "bias_hh", "h"}}},
};
const int wg__interop_layout_count = sizeof wg__interop_layouts / sizeof wg__interop_layouts[0];

const char *const wg__interop_their_parts[WG__THEIR_PARTS] = {"weight_ih", "weight_hh", "weight_hr",
                                                              "bias_ih", "bias_hh"};
static void their_name(char to[2 * NAME], const place *p, const char *which)
{
    snprintf(to, 2 * NAME, "%s%s_l%d%s", p->prefix, which, p->layer, p->reverse ? "_reverse" : "");
}

static void our_name(char to[2 * NAME], const place *p, const char *which)
{
    snprintf(to, 2 * NAME, "%sl%d.%s.%s", p->prefix, p->layer, p->reverse ? "bw" : "fw", which);
}

/* ---- blocks ---- */

static int gate_at(const char *gates, char gate)
{
    const char *at = strchr(gates, gate);
    return at && gate ? (int)(at - gates) : -1;
}

/* The other program's order for a layout. */
static const char *their_gates(const job *j, const layout *l)
{
    if (strcmp(l->gates, "ifgo") == 0 && j->o.lstm_gates) return j->o.lstm_gates;
    if (strcmp(l->gates, "rzn") == 0 && j->o.gru_gates) return j->o.gru_gates;
    return l->gates;
}

/* Element [row, column] of ours, H columns a gate, is element [gate * H + column % H, row] of
 * theirs. Adds theirs to ours, or writes ours to theirs. Biases have one row. */
static void move(const part *p, const char *gates, const char *which, wg_tensor *ours,
                 wg_tensor *theirs, bool import)
{
    wg_shape s = wg_tensor_shape(ours);
    int64_t rows = s.rank == 2 ? s.dim[0] : 1, columns = s.dim[s.rank - 1];
    int64_t H = p->gates ? columns / (int64_t)strlen(p->gates) : columns;
    for (int64_t c = 0; c < columns; c++) {
        char gate = p->gates ? p->gates[c / H] : 0;
        if (which && gate_at(which, gate) < 0) continue;
        int64_t line = p->gates ? gate_at(gates, gate) * H + c % H : c;
        for (int64_t r = 0; r < rows; r++) {
            int64_t a = r * columns + c, b = line * rows + r;
            if (import)
                wg_tensor_set(ours, a, wg_tensor_get(ours, a) + wg_tensor_get(theirs, b));
            else
                wg_tensor_set(theirs, b, wg_tensor_get(ours, a));
        }
    }
}

static bool is_float(const wg_tensor *t)
{
    return (WG_BIT(wg_tensor_dtype(t)) & WG_FLOATS) != 0;
}

/* Is a matrix, or a bias, of theirs of this size? rows < 0: any. */
static wg_status check_theirs(const job *j, const char *name, const wg_tensor *t, int64_t rows,
                              int rank)
{
    wg_shape s = wg_tensor_shape(t);
    if (!is_float(t)) return wg__interop_misfit(j, name, "is not of floating point");
    if (s.rank != rank)
        return wg__interop_misfit(j, name, rank == 2 ? "is not a matrix" : "is not a vector");
    if (rows >= 0 && s.dim[0] != rows)
        return wg__interop_misfit(j, name, "does not fit the other parameters of its layer");
    return WG_OK;
}

/* ---- from PyTorch ---- */

/* Which cell: by gates (rows over columns of weight_hh, or of the projection) and parts. */
static wg_status find_layout(const job *j, const place *p, const layout **out, int64_t *hidden)
{
    char ih[2 * NAME], hh[2 * NAME], hr[2 * NAME];
    their_name(ih, p, "weight_ih");
    their_name(hh, p, "weight_hh");
    their_name(hr, p, "weight_hr");
    const wg_tensor *x = wg_state_tensor(j->in, ih), *h = wg_state_tensor(j->in, hh);
    const wg_tensor *r = wg_state_tensor(j->in, hr);
    if (!x) return wg__interop_misfit(j, ih, "is missing");
    if (!h) return wg__interop_misfit(j, hh, "is missing");
    wg_status status = check_theirs(j, ih, x, -1, 2);
    if (!status) status = check_theirs(j, hh, h, wg_tensor_shape(x).dim[0], 2);
    if (!status && r) status = check_theirs(j, hr, r, wg_tensor_shape(h).dim[1], 2);
    if (status) return status;
    int64_t rows = wg_tensor_shape(h).dim[0];
    *hidden = wg_tensor_shape(r ? r : h).dim[1];
    int64_t gates = *hidden > 0 && rows % *hidden == 0 ? rows / *hidden : 0;
    const char *cell = gates == 4 ? (r ? "lstmp" : "lstm") : gates == 3 ? j->o.gru : "rnn";
    if ((gates != 1 && gates != 3 && gates != 4) || (r && gates != 4))
        return wg__interop_misfit(j, hh,
                                  "has the shape of no layer (4 gates: LSTM, 3: GRU, 1: simple)");
    for (int i = 0; i < wg__interop_layout_count; i++)
        if (strcmp(wg__interop_layouts[i].cell, cell) == 0) *out = &wg__interop_layouts[i];
    return WG_OK;
}

static wg_status import_part(job *j, const place *p, const place *to, const layout *l,
                             const part *k, int64_t hidden)
{
    char name[2][2 * NAME], ours[2 * NAME];
    wg_tensor *from[2] = {NULL, NULL}, *t;
    their_name(name[0], p, k->theirs);
    from[0] = wg_state_tensor(j->in, name[0]);
    if (k->added) {
        their_name(name[1], p, k->added);
        from[1] = wg_state_tensor(j->in, name[1]);
    }
    bool bias = k->theirs[0] == 'b';
    int64_t all = (int64_t)strlen(l->gates) * hidden;
    if (!from[0] && !bias) return wg__interop_misfit(j, name[0], "is missing");
    for (int i = 0; i < 2; i++) {
        if (!from[i] || !(bias || k->gates)) continue;
        wg_status status = check_theirs(j, name[i], from[i], all, bias ? 1 : 2);
        if (status) return status;
    }
    int64_t columns =
        k->gates ? (int64_t)strlen(k->gates) * hidden : wg_tensor_shape(from[0]).dim[0];
    wg_shape shape = bias ? WG_SHAPE(columns) : WG_SHAPE(wg_tensor_shape(from[0]).dim[1], columns);
    char ih[2 * NAME];
    their_name(ih, p, "weight_ih");
    wg_status status =
        wg_tensor_new(wg_tensor_dtype(wg_state_tensor(j->in, ih)), shape, &t, j->err);
    if (status) return status;
    if (from[0]) move(k, their_gates(j, l), NULL, t, from[0], true);
    if (from[1]) move(k, their_gates(j, l), k->also, t, from[1], true);
    our_name(ours, to, k->ours);
    return wg__interop_put(j, ours, t);
}

wg_status wg__interop_import(job *j, const place *p)
{
    const layout *l = NULL;
    place to = *p;
    int64_t hidden = 0;
    wg_status status = find_layout(j, p, &l, &hidden);
    if (status) return status;
    int length = wg__interop_map(j, p->prefix, to.prefix, sizeof to.prefix);
    if (length < 0) return wg__interop_misfit(j, p->prefix, "would get too long a name");
    if (length == 0) snprintf(to.prefix, sizeof to.prefix, "rnn.");
    for (int i = 0; i < l->n_parts && !status; i++)
        status = import_part(j, p, &to, l, &l->part[i], hidden);
    j->report.layers++;
    return status;
}

/* ---- to PyTorch ---- */

static const wg_tensor *our_tensor(const job *j, const place *p, const char *which,
                                   char name[2 * NAME])
{
    our_name(name, p, which);
    return wg_state_tensor(j->in, name);
}

/* By the parts that are there; lstm and rnn by their gates. */
static wg_status find_our_layout(const job *j, const place *p, const layout **out, int64_t *hidden)
{
    char name[2 * NAME];
    const char *cell = our_tensor(j, p, "Wp", name)    ? "lstmp"
                       : our_tensor(j, p, "Whn", name) ? "gru-reset-before"
                       : our_tensor(j, p, "bhn", name) ? "gru"
                                                       : NULL;
    const wg_tensor *h = our_tensor(j, p, "Wh", name);
    if (!h) return wg__interop_misfit(j, name, "is missing");
    wg_shape s = wg_tensor_shape(h);
    if (s.rank != 2 || s.dim[0] == 0) return wg__interop_misfit(j, name, "is not a matrix");
    if (!cell) cell = s.dim[1] == 4 * s.dim[0] ? "lstm" : "rnn";
    for (int i = 0; i < wg__interop_layout_count; i++)
        if (strcmp(wg__interop_layouts[i].cell, cell) == 0) *out = &wg__interop_layouts[i];
    for (int i = 0; i < (*out)->n_parts; i++) {
        const part *k = &(*out)->part[i];
        const wg_tensor *t = our_tensor(j, p, k->ours, name);
        if (!t) return wg__interop_misfit(j, name, "is missing");
        s = wg_tensor_shape(t);
        if (!is_float(t)) return wg__interop_misfit(j, name, "is not of floating point");
        if (s.rank != (k->theirs[0] == 'b' ? 1 : 2))
            return wg__interop_misfit(j, name, "has a wrong rank");
        int64_t gates = k->gates ? (int64_t)strlen(k->gates) : 0, columns = s.dim[s.rank - 1];
        if (gates && i == 0) *hidden = columns / gates;
        if (gates && (columns != gates * *hidden || columns == 0))
            return wg__interop_misfit(j, name, "does not fit the other parameters of its layer");
    }
    return WG_OK;
}

/* All parts that lie in one of theirs, put together. */
static wg_status export_theirs(job *j, const place *p, const place *to, const layout *l,
                               const char *theirs, int64_t hidden)
{
    char name[2 * NAME];
    const wg_tensor *first = NULL;
    const part *plain = NULL;
    bool bias = theirs[0] == 'b', present = bias;
    for (int i = 0; i < l->n_parts; i++)
        if (strcmp(l->part[i].theirs, theirs) == 0 && !present) {
            plain = l->part[i].gates ? NULL : &l->part[i];
            first = our_tensor(j, p, l->part[i].ours, name);
            present = true;
        }
    if (!present) return WG_OK;
    int64_t all = (int64_t)strlen(l->gates) * hidden;
    wg_shape shape = WG_SHAPE(all);
    if (first) {
        wg_shape s = wg_tensor_shape(first);
        shape = WG_SHAPE(plain ? s.dim[1] : all, s.dim[0]);
    }
    wg_tensor *t;
    wg_dtype dtype = wg_tensor_dtype(our_tensor(j, p, "Wx", name));
    wg_status status = wg_tensor_new(dtype, shape, &t, j->err);
    if (status) return status;
    for (int i = 0; i < l->n_parts; i++) {
        if (strcmp(l->part[i].theirs, theirs) != 0) continue;
        wg_tensor *ours = (wg_tensor *)our_tensor(j, p, l->part[i].ours, name);
        if (first && wg_tensor_shape(ours).dim[0] != shape.dim[1]) {
            wg_tensor_free(t);
            return wg__interop_misfit(j, name, "does not fit the other parameters of its layer");
        }
        move(&l->part[i], their_gates(j, l), NULL, ours, t, false);
    }
    their_name(name, to, theirs);
    return wg__interop_put(j, name, t);
}

wg_status wg__interop_export(job *j, const place *p)
{
    const layout *l = NULL;
    place to = *p;
    int64_t hidden = 0;
    wg_status status = find_our_layout(j, p, &l, &hidden);
    if (status) return status;
    if (wg__interop_map(j, p->prefix, to.prefix, sizeof to.prefix) < 0)
        return wg__interop_misfit(j, p->prefix, "would get too long a name");
    for (int i = 0; i < WG__THEIR_PARTS && !status; i++)
        status = export_theirs(j, p, &to, l, wg__interop_their_parts[i], hidden);
    j->report.layers++;
    return status;
}
