/* The array of every built-in op, which core registers before the first tape is made. */
#include "ops_internal.h"

extern const wg_op *const wg__builtin_ops[];
extern const int wg__builtin_op_count;

#define WG_LIST_OP(name) &wg__op_##name,
const wg_op *const wg__builtin_ops[] = {WG_OPS_ELEMENTWISE(WG_LIST_OP) WG_OPS_STRUCTURED(WG_LIST_OP)
                                            WG_OPS_RANDOM(WG_LIST_OP)};
const int wg__builtin_op_count = (int)(sizeof wg__builtin_ops / sizeof wg__builtin_ops[0]);
