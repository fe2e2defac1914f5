/* Fused kernels: trees of maps that one loop computes. Which trees there are is said by the ops
 * (wg_map_pattern); here they are found among the members of a group. */
#include "exec.h"

typedef struct matcher {
    const wg__graph *g;
    const int32_t *members;
    const wg_shape *shape; /* iteration shape: patterns have whole rows only */
    const uint8_t *inner;
    const int32_t *place;
    const wg__match *match;
    const wg_map_pattern *pattern;
    int32_t operand[WG_PATTERN_OPERANDS]; /* -1 = not met yet */
    int32_t node[WG_PATTERN_NODES];       /* the member that each node of the pattern is */
} matcher;

static bool match_node(matcher *m, int node, int32_t value);

/* One value a row goes into a sum or product as a number, which is cheaper than a row of it. */
static bool one_a_row(const matcher *m, int32_t value)
{
    const wg_shape *s = &m->g->values[value].type.shape;
    int rank = m->shape->rank;
    double number;
    return rank > 0 && m->shape->dim[rank - 1] > 1 && (!s->rank || s->dim[s->rank - 1] == 1) &&
           !wg__fused_number(m->g, value, &number);
}

static bool match_operands(matcher *m, int node, const wg__gnode *n, bool swapped)
{
    for (int j = 0; j < n->n_in; j++) {
        int32_t value = n->in[swapped ? n->n_in - 1 - j : j];
        int side = m->pattern->in[node][j];
        if (side >= 0) {
            if (!match_node(m, side, value)) return false;
        } else if (one_a_row(m, value)) {
            return false;
        } else if (m->operand[~side] < 0) {
            m->operand[~side] = value;
        } else if (m->operand[~side] != value) {
            return false;
        }
    }
    return true;
}

static bool match_node(matcher *m, int node, int32_t value)
{
    int32_t k = m->place[value] - 1;
    if (k < 0) return false;
    const wg__gnode *n = &m->g->nodes[m->members[k]];
    if (n->op != m->pattern->op[node] || n->attr_size || n->n_in > 3) return false;
    if (node > 0 && (!m->inner[k] || m->match[k].inside)) return false;
    const wg_type *t = &m->g->values[value].type;
    if (!(m->pattern->dtypes >> t->dtype & 1u) || !wg_shape_equal(&t->shape, m->shape))
        return false;
    m->node[node] = k;
    matcher before = *m;
    if (match_operands(m, node, n, false)) return true;
    *m = before;
    if (!(n->op->traits & WG_OP_COMMUTATIVE)) return false;
    if (match_operands(m, node, n, true)) return true;
    *m = before;
    return false;
}

void wg__fused_match(const wg__graph *g, const int32_t *members, int32_t n_members,
                     const wg_shape *shape, const uint8_t *inner, const int32_t *place,
                     wg__match *match)
{
    for (int32_t k = 0; k < n_members; k++) match[k] = (wg__match){.pattern = NULL};
    matcher m = {
        .g = g, .members = members, .shape = shape, .inner = inner, .place = place, .match = match};
    /* Roots first: members stand in topological order. */
    for (int32_t k = n_members - 1; k >= 0; k--) {
        const wg__gnode *n = &g->nodes[members[k]];
        for (int i = 0; i < n->op->n_patterns && !match[k].inside && !match[k].pattern; i++) {
            m.pattern = &n->op->patterns[i];
            for (int j = 0; j < WG_PATTERN_OPERANDS; j++) m.operand[j] = -1;
            if (!match_node(&m, 0, n->first_out)) continue;
            match[k].pattern = m.pattern;
            for (int j = 0; j < m.pattern->n_in; j++) match[k].operand[j] = m.operand[j];
            for (int j = 1; j < m.pattern->n_nodes; j++) match[m.node[j]].inside = true;
        }
    }
}
