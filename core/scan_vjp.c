/* The VJP of a scan: another scan, run the other way over saved residuals.
 *
 * What the two scans are is derived from the body (scan_derive.c) and kept with it; here they are
 * put on the tape. Both are plain scans of public ops, so second derivatives need no further rule.
 * The augmented forward scan repeats the recorded one; a compile pass merges the two. */
#include <string.h>

#include "builtin.h"
#include "scan_derive.h"

/* Values that depend on constants alone are computed on the tape; hoisted[v] gets their vars. */
static wg_status hoist(const wg__derived *p, wg_tape *tape, const wg_var *in, wg_var *hoisted)
{
    const wg__body *b = p->body;
    size_t n = (size_t)p->d->n_values;
    bool any = false;
    for (size_t v = 0; v < n; v++) any |= p->use[v] == WG__HOIST;
    if (!any) return WG_OK;
    wg__arena *work = wg__work(tape); /* released with the caller's */
    int32_t *map = wg__arena_calloc(work, n + 1, sizeof *map);
    uint8_t *mark = wg__arena_calloc(work, n + 1, 1);
    wg_status status = map && mark ? WG_OK : WG_ENOMEM;
    if (status == WG_OK) {
        for (size_t v = 0; v < n; v++) {
            map[v] = -1;
            mark[v] = p->use[v] == WG__HOIST;
        }
        for (int i = 0; i < b->n_const; i++)
            map[b->constant[i]] = wg__lift(tape, in[b->n_seq + b->n_carry + i]);
        status = wg__clone_needed(tape, p->d, mark, map);
    }
    for (size_t v = 0; v < n && status == WG_OK; v++)
        if (p->use[v] == WG__HOIST) hoisted[v] = wg__var(tape, map[v]);
    return status;
}

static wg_var operand(wg_vjp *c, wg__source s, const wg_var *in, const wg_var *out,
                      const wg_var *augmented, const wg_var *hoisted)
{
    switch (s.kind) {
    case WG__FROM_OPERAND: return in[s.index];
    case WG__FROM_RESULT: return out[s.index];
    case WG__FROM_STACK: return augmented[s.index];
    case WG__FROM_HOIST: return hoisted[s.index];
    default:
        /* An initial gradient that is absent is zeros: the state's first value. */
        return wg_vjp_grad(c, s.index);
    }
}

void wg__scan_vjp(wg_vjp *c)
{
    wg_tape *tape = c->tape;
    const wg__node node = tape->nodes[c->node];
    wg__body *b = node.body;
    wg__scan_attr attr = *(const wg__scan_attr *)node.attr;
    size_t n_in = (size_t)node.n_in, n_out = (size_t)node.n_out;
    wg__arena *work = wg__work(tape);
    wg__arena_mark mark = wg__arena_mark_of(work);
    wg_var *vars = NULL, *in = wg__arena_calloc(work, n_in + n_out + 1, sizeof *in);
    uint8_t *has = wg__arena_calloc(work, n_in + n_out + 1, 1);
    wg_status status = WG_ENOMEM;
    if (!in || !has) goto done;
    wg_var *out = in + n_in;
    uint8_t *needs = has + n_out;
    for (size_t i = 0; i < n_in; i++) {
        in[i] = wg_vjp_in(c, (int)i);
        needs[i] = wg_vjp_needs(c, (int)i);
    }
    for (size_t i = 0; i < n_out; i++) {
        out[i] = wg_vjp_out(c, (int)i);
        has[i] = wg_vjp_has_grad(c, (int)i);
    }
    const wg__derived *p =
        wg__scan_derive(tape, b, attr.remat, has, needs, (int32_t)n_out, (int32_t)n_in);
    if (!p) goto done; /* the tape says why */
    size_t n_aug = n_out + (p->forward ? (size_t)(p->forward->n_y - b->n_y) : 0);
    size_t n_operands = (size_t)(p->n_seq + p->n_carry + p->n_const);
    size_t n_results = (size_t)(p->n_carry + p->n_y + p->n_sum);
    vars = wg__arena_calloc(work, n_aug + n_operands + n_results + (size_t)p->d->n_values + 1,
                            sizeof *vars);
    if (!vars) goto done;
    wg_var *augmented = vars, *operands = augmented + n_aug, *results = operands + n_operands;
    wg_var *hoisted = results + n_results;
    status = WG_OK;
    if (p->forward) {
        wg__scan_attr more = attr;
        more.n_y = p->forward->n_y;
        status = wg__scan_append(tape, p->forward, in, &more, augmented);
    }
    if (status == WG_OK) status = hoist(p, tape, in, hoisted);
    if (status != WG_OK) goto done;
    for (size_t i = 0; i < n_operands; i++)
        operands[i] = operand(c, p->operands[i], in, out, augmented, hoisted);
    wg__scan_attr back;
    memset(&back, 0, sizeof back);
    back.n_seq = p->n_seq;
    back.n_carry = p->n_carry;
    back.n_const = p->n_const;
    back.n_y = p->n_y;
    back.n_sum = p->n_sum;
    back.reverse = !attr.reverse;
    back.steps = attr.steps;
    back.remat = attr.remat;
    status = wg__scan_append(tape, p->backward, operands, &back, results);
    if (status != WG_OK) goto done;
    for (int i = 0; i < p->n_carry; i++) wg_vjp_add(c, b->n_seq + p->carry[i], results[i]);
    for (int i = 0; i < p->n_y; i++) wg_vjp_add(c, p->y[i], results[p->n_carry + i]);
    for (int i = 0; i < p->n_sum; i++) wg_vjp_add(c, p->sum[i], results[p->n_carry + p->n_y + i]);
done:
    if (status != WG_OK && tape->status == WG_OK)
        wg__tape_fail_v(tape, status, "gradient of scan: %s", wg_strerror(status));
    wg__arena_release(work, mark);
}
