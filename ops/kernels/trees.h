/* The loops of trees.c, under names of their instruction set. */
#ifndef WG_OPS_KERNELS_TREES_H
#define WG_OPS_KERNELS_TREES_H

#include "kernels.h"

#define WG_TREE_NAME3(name, dtype, isa) wg__##name##_##dtype##_##isa
#define WG_TREE_NAME2(name, dtype, isa) WG_TREE_NAME3(name, dtype, isa)
#define WG_TREE(name, dtype) WG_TREE_NAME2(name, dtype, WG_ISA_NAME)

#define WG_TREE_DECLARE(NAME, name)           \
    void WG_TREE(name, f32)(const wg_map *c); \
    void WG_TREE(name, f64)(const wg_map *c);
WG_TREE_KERNELS(WG_TREE_DECLARE)
#undef WG_TREE_DECLARE

#endif
