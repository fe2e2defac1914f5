/* Are descriptors of ops and cells well formed? Plugins bring them, so everything is looked at
 * before anything is used. */
#include "registry.h"

#include <math.h>
#include <string.h>

#include <utf8proc.h>

enum { MAX_NAME = 63, MAX_ENTRY_NAME = 255 };

#define REFUSE(...) return wg_error_set(err, WG_EINVAL, __VA_ARGS__)

/* Letters, digits, "_" and "-", not starting with a digit or "-"; dots between such words set off
 * namespaces. Anything else would have to be escaped in files, prints and command lines. */
static bool good_identifier(const char *name)
{
    if (!name || !*name || strlen(name) > MAX_NAME) return false;
    bool start = true;
    for (const char *p = name; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_';
        bool other = (*p >= '0' && *p <= '9') || *p == '-';
        if (*p == '.') {
            if (start) return false;
            start = true;
            continue;
        }
        if (!letter && (start || !other)) return false;
        start = false;
    }
    return !start;
}

/* The struct of a plugin made for a newer version is longer; it may be used when what this version
 * does not know is zero. */
static wg_status check_size(const char *what, const void *table, size_t size, size_t known,
                            wg_error *err)
{
    if (size < known)
        return wg_error_set(err, WG_EINVAL, "%s: size is %zu, not the %zu bytes of the structure",
                            what, size, known);
    if (size > 65536)
        return wg_error_set(err, WG_EINVAL, "%s: a size of %zu bytes cannot be", what, size);
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)table)[i])
            return wg_error_set(err, WG_EVERSION, "%s: made for a newer version of the library",
                                what);
    return WG_OK;
}

/* A tree: what a node reads lies behind it, so that matching ends. */
static bool good_pattern(const wg_op *op, const wg_map_pattern *p)
{
    if (p->n_nodes < 1 || p->n_nodes > WG_PATTERN_NODES || p->op[0] != op || !p->loop) return false;
    if (p->n_in < 1 || p->n_in > WG_PATTERN_OPERANDS) return false;
    unsigned met = 0;
    for (int k = 0; k < p->n_nodes; k++) {
        if (!p->op[k] || p->op[k]->n_in < 1 || p->op[k]->n_in > 3) return false;
        for (int j = 0; j < p->op[k]->n_in; j++) {
            int side = p->in[k][j];
            if (side >= 0 ? side <= k || side >= p->n_nodes : ~side >= p->n_in) return false;
            if (side < 0) met |= 1u << ~side;
        }
    }
    return met == (1u << p->n_in) - 1;
}

wg_status wg__validate_op(const wg_op *op, bool core, wg_error *err)
{
    if (!op) return wg_error_set(err, WG_EINVAL, "op: no descriptor");
    wg_status status = check_size("op", op, op->size, sizeof *op, err);
    if (status) return status;
    if (!good_identifier(op->name))
        return wg_error_set(err, WG_EINVAL,
                            "op: '%.80s' is not a name (letters, digits, '_', '-'; "
                            "'.' after a namespace; at most %d bytes)",
                            op->name ? op->name : "", MAX_NAME);
    const char *name = op->name;
    uint32_t family = op->traits & WG_OP_FAMILY;
    const uint32_t known = WG_OP_FAMILY | WG_OP_COMMUTATIVE | WG_OP_CHEAP | WG_OP_KINKS |
                           WG_OP_STRIDED | WG_OP_NO_GRADIENT | WG_OP_INPLACE | WG_OP_ROWWISE |
                           WG_OP_EFFECT | WG_OP_JOIN | WG_OP_TOUCHES | WG_OP_ADDS;
    if (family == 0 || (family & (family - 1)))
        REFUSE("op '%s': traits must hold exactly one family", name);
    if (op->traits & ~known)
        return wg_error_set(err, WG_EVERSION,
                            "op '%s': trait bits 0x%x are unknown to this version", name,
                            (unsigned)(op->traits & ~known));
    if (op->n_in < -1 || op->n_out < -1)
        REFUSE("op '%s': numbers of inputs and outputs must be -1 or more", name);
    if (op->n_out == 0 && !(op->traits & WG_OP_EFFECT))
        REFUSE("op '%s': no outputs, and no effect either", name);
    if (family & (WG_OP_LEAF | WG_OP_SCAN)) {
        /* Their rules are core's own code, which the executor and the differentiator know. */
        if (!core) REFUSE("op '%s': leaves and scans are core's own", name);
        return WG_OK;
    }
    if (!op->infer) REFUSE("op '%s': no shape rule", name);
    bool no_gradient = op->traits & WG_OP_NO_GRADIENT;
    if (!op->vjp && !no_gradient)
        REFUSE("op '%s': no VJP rule, and not marked as without a gradient", name);
    if (op->vjp && no_gradient)
        REFUSE("op '%s': has a VJP rule but is marked as without a gradient", name);
    bool kernel = false;
    for (int i = 0; i < WG_BACKENDS; i++) kernel = kernel || op->kernel[i];
    if (family == WG_OP_MAP) {
        if (!op->map) REFUSE("op '%s': a map without a map kernel", name);
        if (op->n_out != 1) REFUSE("op '%s': a map has one output", name);
        if (op->n_in == 0) REFUSE("op '%s': a map needs an input", name);
        for (int i = 0; i < op->n_patterns; i++)
            if (!op->patterns || !good_pattern(op, &op->patterns[i]))
                REFUSE("op '%s': pattern %d is not a tree of maps", name, i);
    } else if (family == WG_OP_VIEW) {
        if (!op->view) REFUSE("op '%s': a view without a view rule", name);
        if (op->n_in == 0) REFUSE("op '%s': a view needs an input", name);
    } else if (!kernel) {
        REFUSE("op '%s': no kernel", name);
    }
    if (family == WG_OP_REDUCE && (op->n_in != 1 || op->n_out != 1))
        REFUSE("op '%s': a reduction has one input and one output", name);
    if (!op->gradient != !op->paired || (op->paired && op->n_out != 1))
        REFUSE("op '%s': `gradient` and `paired` come together, with one output", name);
    if ((op->traits & WG_OP_COMMUTATIVE) && op->n_in != 2)
        REFUSE("op '%s': commutative ops have two inputs", name);
    if ((op->traits & WG_OP_ADDS) && (op->n_in < 1 || op->n_out != 1))
        REFUSE("op '%s': what adds over leading axes has inputs, and one output", name);
    if ((op->traits & WG_OP_TOUCHES) && (family & (WG_OP_MAP | WG_OP_VIEW | WG_OP_REDUCE)))
        REFUSE("op '%s': only a kernel of its own can tell which rows it touched", name);
    return WG_OK;
}

/* Sizes for trying symbolic shapes: primes, so that nothing divides by chance. */
enum { TRY_INPUT = 1009, TRY_HIDDEN = 1013, TRY_OUTPUT = 1019 };

static wg_status check_shape(const wg_cell *cell, const char *what, const char *text,
                             wg_shape *shape, wg_error *err)
{
    wg_error inner;
    wg_status status = wg_cell_shape(text, TRY_INPUT, TRY_HIDDEN, TRY_OUTPUT, shape, &inner);
    if (status)
        return wg_error_set(err, status, "cell '%s': %s: %.500s", cell->name, what, inner.message);
    return WG_OK;
}

static wg_status check_init(const wg_cell *cell, const wg_cell_param *param, const wg_shape *shape,
                            wg_error *err)
{
    const wg_init *init = &param->init;
    int gates = init->gates ? init->gates : 1;
    if ((int)init->kind < WG_INIT_CONSTANT || init->kind > WG_INIT_ORTHOGONAL)
        REFUSE("cell '%s': parameter '%s': no initialiser has number %d", cell->name, param->name,
               (int)init->kind);
    if (gates < 1 || gates > WG_MAX_GATES)
        REFUSE("cell '%s': parameter '%s': %d gates are not within 1..%d", cell->name, param->name,
               gates, WG_MAX_GATES);
    if (shape->rank == 0 ? gates != 1 : shape->dim[shape->rank - 1] % gates != 0)
        REFUSE("cell '%s': parameter '%s': the last axis of '%s' is not %d equal gates", cell->name,
               param->name, param->shape, gates);
    if (init->gate_mask >> gates)
        REFUSE("cell '%s': parameter '%s': gate_mask names gates past the %d there are", cell->name,
               param->name, gates);
    if (!isfinite(init->a) || !isfinite(init->b))
        REFUSE("cell '%s': parameter '%s': initialiser with a number that is not finite",
               cell->name, param->name);
    if (!param->hyper) return WG_OK;
    bool found = false;
    for (int i = 0; i < cell->n_hypers; i++)
        if (strcmp(cell->hypers[i].name, param->hyper) == 0) found = true;
    if (!found)
        REFUSE("cell '%s': parameter '%s' wants hyperparameter '%s', which the cell has not",
               cell->name, param->name, param->hyper);
    if (param->hyper_gate < 0 || param->hyper_gate >= gates)
        REFUSE("cell '%s': parameter '%s': gate %d is not within 0..%d", cell->name, param->name,
               param->hyper_gate, gates - 1);
    return WG_OK;
}

static wg_status check_hypers(const wg_cell *cell, wg_error *err)
{
    for (int i = 0; i < cell->n_hypers; i++) {
        const wg_cell_hyper *h = &cell->hypers[i];
        if (!good_identifier(h->name))
            REFUSE("cell '%s': hyperparameter %d has no proper name", cell->name, i);
        for (int j = 0; j < i; j++)
            if (strcmp(cell->hypers[j].name, h->name) == 0)
                REFUSE("cell '%s': two hyperparameters are called '%s'", cell->name, h->name);
        if (!(h->low <= h->value && h->value <= h->high))
            REFUSE("cell '%s': hyperparameter '%s': default %g is not within %g..%g", cell->name,
                   h->name, h->value, h->low, h->high);
    }
    return WG_OK;
}

static wg_status check_states(const wg_cell *cell, wg_error *err)
{
    wg_shape shape;
    for (int i = 0; i < cell->n_states; i++) {
        const wg_cell_state *s = &cell->states[i];
        if (!good_identifier(s->name))
            REFUSE("cell '%s': state %d has no proper name", cell->name, i);
        for (int j = 0; j < i; j++)
            if (strcmp(cell->states[j].name, s->name) == 0)
                REFUSE("cell '%s': two states are called '%s'", cell->name, s->name);
        wg_status status = check_shape(cell, s->name, s->shape, &shape, err);
        if (status) return status;
        /* Rows of a batch and steps of a sequence come in front. */
        if (shape.rank > WG_MAX_AXES - 2)
            REFUSE("cell '%s': state '%s' has more than %d axes", cell->name, s->name,
                   WG_MAX_AXES - 2);
    }
    return WG_OK;
}

static wg_status check_params(const wg_cell *cell, wg_error *err)
{
    for (int i = 0; i < cell->n_params; i++) {
        const wg_cell_param *p = &cell->params[i];
        if (!good_identifier(p->name))
            REFUSE("cell '%s': parameter %d has no proper name", cell->name, i);
        for (int j = 0; j < i; j++)
            if (strcmp(cell->params[j].name, p->name) == 0)
                REFUSE("cell '%s': two parameters are called '%s'", cell->name, p->name);
        wg_shape shape;
        wg_status status = check_shape(cell, p->name, p->shape, &shape, err);
        if (!status) status = check_init(cell, p, &shape, err);
        if (status) return status;
    }
    return WG_OK;
}

wg_status wg__validate_cell(const wg_cell *cell, wg_error *err)
{
    if (!cell) return wg_error_set(err, WG_EINVAL, "cell: no table");
    wg_status status = check_size("cell", cell, cell->size, sizeof *cell, err);
    if (status) return status;
    if (!good_identifier(cell->name))
        return wg_error_set(err, WG_EINVAL,
                            "cell: '%.80s' is not a name (letters, digits, '_', "
                            "'-'; '.' after a namespace; at most %d bytes)",
                            cell->name ? cell->name : "", MAX_NAME);
    if (!cell->step) REFUSE("cell '%s': no step function", cell->name);
    if (cell->n_states < 1 || !cell->states) REFUSE("cell '%s': no states", cell->name);
    if (cell->n_params < 0 || (cell->n_params && !cell->params))
        REFUSE("cell '%s': a number of parameters without a table of them", cell->name);
    if (cell->n_hypers < 0 || (cell->n_hypers && !cell->hypers))
        REFUSE("cell '%s': a number of hyperparameters without a table of them", cell->name);
    if ((status = check_hypers(cell, err))) return status;
    if ((status = check_states(cell, err))) return status;
    if ((status = check_params(cell, err))) return status;
    if (cell->output) {
        wg_shape shape;
        return check_shape(cell, "output", cell->output, &shape, err);
    }
    return WG_OK;
}

wg_status wg__check_name(const char *what, const char *name, wg_error *err)
{
    if (!name || !*name) REFUSE("%s: an empty name", what);
    size_t length = strlen(name);
    if (length > MAX_ENTRY_NAME)
        REFUSE("%s: '%.40s...' is longer than %d bytes", what, name, MAX_ENTRY_NAME);
    for (size_t i = 0; i < length;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)name + i,
                                                 (utf8proc_ssize_t)(length - i), &c);
        /* The name is not shown: a message must be printable. */
        if (used <= 0) REFUSE("%s: a name is not valid UTF-8 (byte %zu)", what, i);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            REFUSE("%s: a name holds a control character (byte %zu)", what, i);
        i += (size_t)used;
    }
    if (name[0] == '/') REFUSE("%s: '%s' starts with '/'", what, name);
    if (strchr(name, '\\')) REFUSE("%s: '%s' holds a backslash", what, name);
    if (strstr(name, "..")) REFUSE("%s: '%s' holds '..'", what, name);
    return WG_OK;
}
