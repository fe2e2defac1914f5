/* Fused kernels: building a group's block instructions (fused.c runs them).
 *
 * The iteration shape is collapsed to outer axes and a row. A group with row reductions runs a
 * whole row at a time; one without runs blocks that fit the first-level cache. Operands that are
 * not contiguous along the row are expanded into a register first, so that every map kernel sees
 * plain arrays. */
#include <string.h>

#include "builtin.h"
#include "exec.h"

bool wg__fused_number(const wg__graph *g, int32_t v, double *number)
{
    const wg__gnode *n = &g->nodes[g->values[v].node];
    if (n->op != &wg__op_const) return false;
    *number = ((const wg__leaf_attr *)n->attr)->value;
    return true;
}

typedef struct builder {
    wg__arena *arena;
    const wg__graph *g;
    const int32_t *members;
    int32_t n_members;
    const int32_t *inputs, *outputs;
    const uint8_t *late; /* per output: written at the end of a block */
    int32_t n_inputs, n_outputs;
    wg_shape shape; /* iteration shape */
    bool rows;      /* has reductions or one-a-row values */
    wg__fused *f;
    int32_t *reg_of; /* per value: register + 1 */
    int32_t most_regs;
    int32_t *last; /* per register: last instruction that reads it */
    int32_t
        *row_of; /* per register with one value a row: 1 + the one that has it at every element */
} builder;

static bool is_row_value(const builder *b, int32_t v)
{
    return !wg_shape_equal(&b->g->values[v].type.shape, &b->shape);
}

/* The row axis stays; outer axes that every operand walks in one stride are merged. */
static void collapse(builder *b, const wg_view *in, const wg_view *out)
{
    wg__fused *f = b->f;
    int n = b->n_inputs + b->n_outputs, rank = b->shape.rank;
    int64_t dim[WG_MAX_AXES + 1];
    int k = 0;
    if (rank == 0) {
        f->rank = 0;
        f->row = 1;
        for (int i = 0; i < n; i++)
            memset(i < b->n_inputs ? f->in_stride[i] : f->out_stride[i - b->n_inputs], 0,
                   sizeof f->in_stride[0]);
        return;
    }
#define STRIDE(i) ((i) < b->n_inputs ? f->in_stride[i] : f->out_stride[(i)-b->n_inputs])
    for (int axis = 0; axis < rank; axis++) {
        int64_t d = b->shape.dim[axis];
        bool row_axis = axis == rank - 1 && b->rows;
        if (d == 1 && !row_axis) continue;
        bool merge = k > 0 && !row_axis;
        for (int i = 0; i < n && merge; i++) {
            const wg_view *v = i < b->n_inputs ? &in[i] : &out[i - b->n_inputs];
            int64_t s = v->stride[axis] * (int64_t)wg_dtype_size(v->dtype);
            merge = STRIDE(i)[k - 1] == s * d;
        }
        if (merge) {
            dim[k - 1] *= d;
        } else {
            dim[k++] = d;
        }
        for (int i = 0; i < n; i++) {
            const wg_view *v = i < b->n_inputs ? &in[i] : &out[i - b->n_inputs];
            STRIDE(i)[k - 1] = v->stride[axis] * (int64_t)wg_dtype_size(v->dtype);
        }
    }
    if (k == 0) {
        dim[k++] = 1;
        for (int i = 0; i < n; i++) STRIDE(i)[0] = 0;
    }
    f->rank = k - 1;
    f->row = dim[k - 1];
    for (int axis = 0; axis < k - 1; axis++) f->dim[axis] = dim[axis];
    for (int i = 0; i < n; i++) {
        int64_t along = STRIDE(i)[k - 1];
        STRIDE(i)[WG_MAX_AXES] = along;
    }
#undef STRIDE
}

static int32_t new_reg(builder *b, wg__reg_kind kind, wg_dtype dtype)
{
    wg__fused *f = b->f;
    if (f->n_regs == b->most_regs) return -1;
    f->regs[f->n_regs] =
        (wg__reg){.kind = kind, .dtype = dtype, .size = wg_dtype_size(dtype), .scratch = -1};
    if (kind == WG__REG_IN || kind == WG__REG_FILL || kind == WG__REG_ROW_IN ||
        kind == WG__REG_OUT || kind == WG__REG_ROW_OUT)
        f->outer[f->n_outer++] = f->n_regs;
    b->last[f->n_regs] = -1;
    return f->n_regs++;
}

static bool give_inputs(builder *b)
{
    wg__fused *f = b->f;
    for (int i = 0; i < b->n_inputs; i++) {
        int32_t v = b->inputs[i];
        wg_dtype dtype = b->g->values[v].type.dtype;
        double number;
        bool constant = wg__fused_number(b->g, v, &number);
        int64_t along = f->in_stride[i][WG_MAX_AXES];
        bool plain = along == (int64_t)wg_dtype_size(dtype) || f->row == 1;
        wg__reg_kind kind = constant     ? WG__REG_CONST
                            : plain      ? WG__REG_IN
                            : along == 0 ? WG__REG_ROW_IN
                                         : WG__REG_FILL;
        int32_t r = new_reg(b, kind, dtype);
        if (r < 0) return false;
        f->regs[r].index = i;
        f->regs[r].step = plain ? (int64_t)wg_dtype_size(dtype) : along;
        if (constant) f->regs[r].value = number;
        b->reg_of[v] = r + 1;
    }
    return true;
}

static bool is_output(const builder *b, int32_t v, int32_t *which)
{
    for (int i = 0; i < b->n_outputs; i++)
        if (b->outputs[i] == v) {
            *which = i;
            return true;
        }
    return false;
}

static bool one_a_row(const wg__reg *r)
{
    return r->kind == WG__REG_ROW || r->kind == WG__REG_ROW_OUT || r->kind == WG__REG_ROW_IN;
}

/* Operand j of instruction `op`, which is number f->n_ops, is value v. `one`: the instruction runs
 * on one value a row; others, sums of rows among them, see whole rows. */
static bool give_operand(builder *b, wg__step_op *op, int j, int32_t v, bool one)
{
    wg__fused *f = b->f;
    op->in[j] = b->reg_of[v] - 1;
    if (op->in[j] < 0) return false;
    const wg__reg *r = &f->regs[op->in[j]];
    op->temp[j] = -1;
    if (!one && one_a_row(r)) {
        int32_t *row = &b->row_of[op->in[j]];
        if (!*row) {
            op->expand[j] = 1;
            op->temp[j] = new_reg(b, WG__REG_BLOCK, r->dtype);
            if (op->temp[j] < 0) return false;
            *row = op->temp[j] + 1;
            b->last[op->temp[j]] = f->n_ops;
        } else {
            op->in[j] = *row - 1; /* expanded before; twice by one instruction, too */
        }
    }
    b->last[op->in[j]] = f->n_ops;
    return true;
}

/* What a transcendental costs in sums or products. */
enum { DEAR = 12 };

/* Sums and products with one value a row: that value becomes an attribute, in place of a row full
 * of it that would be written and read again. */
static bool give_number(builder *b, wg__step_op *op, const wg__gnode *n)
{
    static const struct {
        const wg_op *op, *as;
        int which, number;
    } forms[] = {{&wg__op_mul, &wg__op_scale, 0, 1},
                 {&wg__op_mul, &wg__op_scale, 1, 1},
                 {&wg__op_add, &wg__op_add_scalar, 0, 1},
                 {&wg__op_add, &wg__op_add_scalar, 1, 1},
                 {&wg__op_sub, &wg__op_add_scalar, 1, 2}};
    wg__fused *f = b->f;
    if (n->n_in != 2 || (op->dtype != WG_F32 && op->dtype != WG_F64)) return false;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        int32_t x = b->reg_of[n->in[1 - forms[i].which]] - 1;
        int32_t r = b->reg_of[n->in[forms[i].which]] - 1;
        if (n->op != forms[i].op || x < 0 || r < 0 || !one_a_row(&f->regs[r]) ||
            one_a_row(&f->regs[x]))
            continue;
        op->op = forms[i].as;
        op->loop = op->op->loop;
        op->n_in = 1;
        op->in[0] = x;
        op->in[1] = r;
        op->temp[0] = -1;
        op->number = (uint8_t)forms[i].number;
        b->last[x] = b->last[r] = f->n_ops;
        return true;
    }
    return false;
}

static bool give_op(builder *b, const wg__gnode *n, const wg__match *match)
{
    wg__fused *f = b->f;
    const wg__graph *g = b->g;
    int32_t v = n->first_out, which = -1;
    wg__step_op *op = &f->ops[f->n_ops];
    memset(op, 0, sizeof *op);
    op->op = n->op;
    op->attr = n->attr_size ? wg__arena_copy(b->arena, n->attr, n->attr_size) : NULL;
    if (n->attr_size && !op->attr) return false;
    op->reduce = (n->op->traits & WG_OP_REDUCE) != 0;
    op->row = b->rows && !op->reduce && is_row_value(b, v);
    bool one = op->reduce || op->row;
    const wg_map_pattern *p = match->pattern;
    const int32_t *in = p ? match->operand : n->in;
    op->n_in = p ? p->n_in : n->n_in;
    op->loop = p ? p->loop : n->op->loop;
    op->out_dtype = g->values[v].type.dtype;
    op->dtype = g->values[in[!p && n->n_in == 3 ? 1 : 0]].type.dtype;
    if (p || one || !give_number(b, op, n))
        for (int j = 0; j < op->n_in; j++)
            if (!give_operand(b, op, j, in[j], op->row)) return false;
    bool out = is_output(b, v, &which) && !b->late[which];
    op->out = new_reg(
        b, one ? (out ? WG__REG_ROW_OUT : WG__REG_ROW) : (out ? WG__REG_OUT : WG__REG_BLOCK),
        op->out_dtype);
    if (op->out < 0) return false;
    if (out) f->regs[op->out].index = f->n_in + which;
    if (out && !one) f->regs[op->out].step = (int64_t)f->regs[op->out].size;
    b->last[op->out] = f->n_ops;
    b->reg_of[v] = op->out + 1;
    f->n_ops++;
    return true;
}

static void store(const wg_map *m)
{
    memcpy(m->out, m->in[0], (size_t)m->n * wg_dtype_size(m->out_dtype));
}

/* A block of a result that was kept until all is read. */
static const wg_op store_late = {
    .size = sizeof(wg_op), .name = "store", .traits = WG_OP_MAP | WG_OP_INPLACE, .map = store};

static bool give_late(builder *b)
{
    wg__fused *f = b->f;
    for (int32_t i = 0; i < b->n_outputs; i++) {
        if (!b->late[i]) continue;
        wg_dtype dtype = b->g->values[b->outputs[i]].type.dtype;
        wg__step_op *op = &f->ops[f->n_ops];
        *op = (wg__step_op){.op = &store_late, .n_in = 1, .dtype = dtype, .out_dtype = dtype};
        op->in[0] = b->reg_of[b->outputs[i]] - 1;
        op->temp[0] = -1;
        op->row = f->regs[op->in[0]].kind == WG__REG_ROW;
        op->out = new_reg(b, op->row ? WG__REG_ROW_OUT : WG__REG_OUT, dtype);
        if (op->out < 0) return false;
        f->regs[op->out].index = f->n_in + i;
        f->regs[op->out].step = op->row ? 0 : (int64_t)f->regs[op->out].size;
        b->last[op->in[0]] = b->last[op->out] = f->n_ops++;
    }
    return true;
}

static bool give_ops(builder *b)
{
    const wg__graph *g = b->g;
    int32_t n = b->n_members, which;
    wg__match *match = wg_calloc((size_t)n, sizeof *match);
    uint8_t *uses = wg_calloc((size_t)n, 1);
    bool ok = match && uses;
    /* reg_of serves as the place of a value among the members until registers are given. */
    for (int32_t k = 0; k < n && ok; k++) {
        const wg__gnode *m = &g->nodes[b->members[k]];
        for (int j = 0; j < m->n_in; j++) {
            int32_t at = b->reg_of[m->in[j]] - 1;
            if (at >= 0 && uses[at] < 2) uses[at]++;
        }
        b->reg_of[m->first_out] = k + 1;
    }
    for (int32_t k = 0; k < n && ok; k++) {
        if (is_output(b, g->nodes[b->members[k]].first_out, &which)) uses[k] = 2;
        uses[k] = uses[k] == 1;
    }
    if (ok) wg__fused_match(g, b->members, n, &b->shape, uses, b->reg_of, match);
    for (int32_t k = 0; k < n && ok; k++) b->reg_of[g->nodes[b->members[k]].first_out] = 0;
    ok = ok && give_inputs(b);
    for (int32_t k = 0; k < n && ok; k++) {
        const wg__gnode *m = &g->nodes[b->members[k]];
        b->f->work += m->op->traits & (WG_OP_CHEAP | WG_OP_REDUCE) ? 1 : DEAR;
        if (!match[k].inside) ok = give_op(b, m, &match[k]);
    }
    ok = ok && give_late(b);
    wg_free(match);
    wg_free(uses);
    return ok;
}

wg__fused *wg__fused_build(wg__arena *arena, const wg__graph *g, const int32_t *members,
                           int32_t n_members, const int32_t *inputs, const wg_view *in_views,
                           int32_t n_inputs, const int32_t *outputs, const wg_view *out_views,
                           int32_t n_outputs, const uint8_t *late, int32_t *reg_of)
{
    builder b = {.arena = arena,
                 .g = g,
                 .members = members,
                 .n_members = n_members,
                 .inputs = inputs,
                 .outputs = outputs,
                 .n_inputs = n_inputs,
                 .n_outputs = n_outputs,
                 .late = late,
                 .reg_of = reg_of,
                 .most_regs =
                     n_inputs + n_outputs + 5 * n_members}; /* results, four expanded operands */
    if (b.most_regs > WG__MAX_REGS) b.most_regs = WG__MAX_REGS;
    wg__fused *f = wg__arena_calloc(arena, 1, sizeof *f);
    wg_view *views = wg_calloc((size_t)(n_inputs + n_outputs) + 1, sizeof *views);
    b.last = wg_calloc(2 * ((size_t)b.most_regs + 1), sizeof *b.last);
    b.row_of = b.last ? b.last + b.most_regs + 1 : NULL;
    b.f = f;
    bool ok = f && views && b.last;
    if (ok) {
        f->regs = wg__arena_calloc(arena, (size_t)b.most_regs + 1, sizeof *f->regs);
        f->outer = wg__arena_calloc(arena, (size_t)b.most_regs + 1, sizeof *f->outer);
        f->ops = wg__arena_calloc(arena, (size_t)(n_members + n_outputs), sizeof *f->ops);
        f->in_stride = wg__arena_calloc(arena, (size_t)n_inputs + 1, sizeof *f->in_stride);
        f->out_stride = wg__arena_calloc(arena, (size_t)n_outputs + 1, sizeof *f->out_stride);
        ok = f->regs && f->outer && f->ops && f->in_stride && f->out_stride;
    }
    if (!ok) goto done;
    f->n_in = n_inputs;
    f->n_out = n_outputs;
    /* The iteration shape: that of a reduction's operand, else the largest result. */
    int64_t most = -1;
    for (int k = 0; k < n_members; k++) {
        const wg__gnode *n = &g->nodes[members[k]];
        bool reduce = (n->op->traits & WG_OP_REDUCE) != 0;
        const wg_shape *s = &g->values[reduce ? n->in[0] : n->first_out].type.shape;
        /* By reductions first: rows of no elements are fewer than their results. */
        if (reduce ? !b.rows : !b.rows && wg_shape_count(s) > most) {
            most = wg_shape_count(s);
            b.shape = *s;
        }
        b.rows |= reduce;
    }
    for (int i = 0; i < n_inputs + n_outputs; i++) {
        int32_t v = i < n_inputs ? inputs[i] : outputs[i - n_inputs];
        const wg_shape *s = &g->values[v].type.shape;
        wg_view *view = &views[i];
        view->dtype = g->values[v].type.dtype;
        view->shape = b.shape;
        const int64_t *stride = i < n_inputs ? in_views[i].stride : out_views[i - n_inputs].stride;
        /* A reduction that drops its axis gives one value a row all the same. */
        bool dropped = i >= n_inputs && s->rank == b.shape.rank - 1 && b.rows;
        int shift = dropped ? 0 : b.shape.rank - s->rank;
        for (int a = 0; a < b.shape.rank; a++) {
            int from = a - shift;
            bool there =
                from >= 0 && from < s->rank && s->dim[from] == b.shape.dim[a] && s->dim[from] != 1;
            view->stride[a] = there ? stride[from] : 0;
        }
    }
    collapse(&b, views, views + n_inputs);
    ok = give_ops(&b);
    if (ok) wg__fused_place(f, b.last, b.rows);
done:
    wg_free(views);
    for (int i = 0; i < n_inputs; i++) reg_of[inputs[i]] = 0;
    for (int k = 0; k < n_members; k++) reg_of[g->nodes[members[k]].first_out] = 0;
    wg_free(b.last);
    return ok ? f : NULL;
}
