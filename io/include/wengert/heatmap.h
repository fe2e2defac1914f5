/* Alignment heat maps as SVG text. */
#ifndef WENGERT_HEATMAP_H
#define WENGERT_HEATMAP_H

#include <stddef.h>
#include <stdint.h>

#include <wengert/tensor.h>

WG_BEGIN_DECLS

/* Draws `weights` (f32 or f64, [rows, cols]; for attention a row is a target word and sums to 1)
 * with row_labels (rows of them) down the left and col_labels (cols) along the top. Labels are any
 * UTF-8 (invalid bytes and control characters become U+FFFD); NULL arrays draw numbers. Shades are
 * linear from 0 to the larger of 1 and the greatest weight; NaN cells are hatched. `title` may be
 * NULL. *svg is NUL-terminated and freed with wg_free. WG_ESHAPE, WG_EDTYPE, WG_ELIMIT (more than
 * 512 rows or columns), WG_ENOMEM. */
WG_API wg_status wg_heatmap_svg(const wg_tensor *weights, const char *const *row_labels,
                                const char *const *col_labels, const char *title, char **svg,
                                size_t *length, wg_error *err);

WG_END_DECLS

#endif
