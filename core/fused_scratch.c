/* Fused kernels: where the registers of one lie, and how long a block of it is. */
#include "exec.h"

/* Elements a block: so many that calls do not weigh (one costs as much as a sum over 100 elements),
 * and no more than what keeps all operands within a first-level cache of CACHE bytes. */
enum { BLOCK_LEAST = 512, BLOCK_MOST = 1024, CACHE = 32 << 10 };

/* Scratch of registers, in cells of a block: reused as soon as the last reader is past, by that
 * reader's own result where the loop may work in place; constants keep theirs. */
static void give_scratch(wg__fused *f, int32_t *last)
{
    int64_t top = 0, spare[WG__MAX_REGS];
    int n_spare = 0;
#define TAKE(reg) (f->regs[reg].scratch = n_spare ? spare[--n_spare] : top++)
#define DIES(r, k)                                                                    \
    (last[r] == (k) && f->regs[r].scratch >= 0 && f->regs[r].kind != WG__REG_CONST && \
     f->regs[r].kind != WG__REG_FILL)
    for (int r = 0; r < f->n_regs; r++)
        if (f->regs[r].kind == WG__REG_CONST || f->regs[r].kind == WG__REG_FILL) TAKE(r);
    for (int k = 0; k < f->n_ops; k++) {
        wg__step_op *op = &f->ops[k];
        wg__reg *out = &f->regs[op->out];
        for (int j = 0; j < op->n_in; j++)
            if (op->expand[j]) TAKE(op->temp[j]);
        if (out->kind == WG__REG_BLOCK && op->op->traits & WG_OP_INPLACE)
            for (int j = 0; j < op->n_in && out->scratch < 0; j++) {
                int32_t r = op->expand[j] ? op->temp[j] : op->in[j];
                if (f->regs[r].kind != WG__REG_BLOCK || !DIES(r, k) || r == op->out ||
                    f->regs[r].size != out->size)
                    continue;
                out->scratch = f->regs[r].scratch;
                last[r] = -1; /* lives on as the result */
            }
        if (out->scratch < 0 && (out->kind == WG__REG_BLOCK || out->kind == WG__REG_ROW))
            TAKE(op->out);
        for (int r = 0; r < f->n_regs; r++)
            if (DIES(r, k)) spare[n_spare++] = f->regs[r].scratch;
    }
#undef TAKE
#undef DIES
    f->scratch = (size_t)top; /* cells; give_block makes them bytes */
}

/* The length of a block, and with it the places of registers. */
static void give_block(wg__fused *f, bool rows)
{
    size_t widest = 1, touched = 0;
    for (int r = 0; r < f->n_regs; r++) {
        const wg__reg *reg = &f->regs[r];
        if (reg->scratch >= 0 && reg->size > widest) widest = reg->size;
        if (reg->kind == WG__REG_IN || reg->kind == WG__REG_OUT) touched += reg->size;
    }
    touched += f->scratch * widest;
    int64_t most = CACHE / (int64_t)(touched ? touched : 1);
    most = most < BLOCK_LEAST ? BLOCK_LEAST : most > BLOCK_MOST ? BLOCK_MOST : most;
    f->block = f->row;
    if (!rows && f->row > most) {
        /* blocks of one length, in whole vectors */
        int64_t blocks = (f->row + most - 1) / most;
        f->block = ((f->row + blocks - 1) / blocks + 15) & ~(int64_t)15;
    }
    /* A row of no elements still needs room for what it is reduced to. */
    size_t cell = ((size_t)(f->block > 0 ? f->block : 1) * widest + 63) & ~(size_t)63;
    f->scratch *= cell;
    for (int r = 0; r < f->n_regs; r++)
        if (f->regs[r].scratch >= 0) f->regs[r].scratch *= (int64_t)cell;
}

void wg__fused_place(wg__fused *f, int32_t *last, bool rows)
{
    give_scratch(f, last);
    give_block(f, rows);
}
