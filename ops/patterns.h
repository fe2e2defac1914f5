/* Trees of maps with a loop of their own, by the op at their root (patterns.c). */
#ifndef WG_OPS_PATTERNS_H
#define WG_OPS_PATTERNS_H

#include <wengert/op.h>

enum {
    WG__ADD_PATTERNS = 5,
    WG__MUL_PATTERNS = 7,
    WG__SIGMOID_PATTERNS = 1,
    WG__TANH_PATTERNS = 1,
};
extern const wg_map_pattern wg__add_patterns[WG__ADD_PATTERNS];
extern const wg_map_pattern wg__mul_patterns[WG__MUL_PATTERNS];
extern const wg_map_pattern wg__sigmoid_patterns[WG__SIGMOID_PATTERNS];
extern const wg_map_pattern wg__tanh_patterns[WG__TANH_PATTERNS];

#endif
