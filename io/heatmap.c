/* Alignment heat maps: an SVG that any browser and librsvg draw, without scripts or style sheets.
 *
 * Lengths of text are estimated from Unicode's column widths, as no font is at hand; the estimate
 * is generous, so that labels keep clear of the cells. */
#include <wengert/heatmap.h>

#include <math.h>
#include <string.h>
#include <utf8proc.h>

#include <wengert/memory.h>

#include "buffer.h"
#include "utf8.h"

enum {
    MAX_SIDE = 512,
    MAX_COLUMNS = 24, /* of a label, before it is cut */
    MARGIN = 16,
    GAP = 8, /* between labels and cells */
    LEGEND = 12,
};

typedef struct layout {
    int rows, cols, cell, font;
    int left, top; /* of the cells */
    int width, height;
    double scale; /* weight of the darkest shade */
} layout;

/* Appends one code point so that it may stand in text and in attributes. */
static void put_code(wg__buf *out, utf8proc_int32_t code)
{
    utf8proc_uint8_t bytes[4];
    switch (code) {
    case '&': wg__buf_text(out, "&amp;"); return;
    case '<': wg__buf_text(out, "&lt;"); return;
    case '>': wg__buf_text(out, "&gt;"); return;
    case '"': wg__buf_text(out, "&quot;"); return;
    default: break;
    }
    /* Code points that XML 1.0 forbids, and control characters. */
    if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xfffe || code == 0xffff)
        code = 0xfffd;
    wg__buf_add(out, bytes, (size_t)utf8proc_encode_char(code, bytes));
}

static utf8proc_int32_t next_code(const char **text)
{
    utf8proc_int32_t code;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)*text,
                                          (utf8proc_ssize_t)strnlen(*text, 4), &code);
    if (n <= 0 || code < 0) {
        ++*text;
        return 0xfffd;
    }
    *text += n;
    return code;
}

static int code_columns(utf8proc_int32_t code)
{
    int width = utf8proc_charwidth(code);
    return width < 0 ? 0 : width;
}

/* Columns of a label once it is cut to `most`; the ellipsis counts. */
static int label_columns(const char *text, int most)
{
    int columns = 0;
    while (*text && columns <= most) columns += code_columns(next_code(&text));
    return columns > most ? most : columns;
}

/* The escaped label, with an ellipsis in place of what goes beyond `most` columns (0 = whole). */
static void put_label(wg__buf *out, const char *text, int most)
{
    bool cut = false;
    if (most) {
        int columns = 0;
        for (const char *c = text; *c && columns <= most;) columns += code_columns(next_code(&c));
        cut = columns > most;
    }
    int columns = 0;
    while (*text) {
        utf8proc_int32_t code = next_code(&text);
        columns += code_columns(code);
        if (cut && columns > most - 1) {
            wg__buf_text(out, "\xE2\x80\xA6");
            return;
        }
        put_code(out, code);
    }
}

/* Label i, or its number where there are none. */
static const char *label(const char *const *labels, int i, char number[16])
{
    if (labels) return labels[i] ? labels[i] : "";
    char *at = number + 15;
    *at = '\0';
    for (int n = i + 1; n > 0; n /= 10) *--at = (char)('0' + n % 10);
    return at;
}

static int widest(const char *const *labels, int n)
{
    int most = 1;
    char number[16];
    for (int i = 0; i < n; i++) {
        int columns = label_columns(label(labels, i, number), MAX_COLUMNS);
        if (columns > most) most = columns;
    }
    return most;
}

/* A colour between white and dark blue, through the middle of ColorBrewer's "Blues", whose
 * lightness falls evenly. */
static void put_colour(wg__buf *out, double share)
{
    static const int stop[5][3] = {
        {247, 251, 255}, {198, 219, 239}, {107, 174, 214}, {33, 113, 181}, {8, 48, 107}};
    double at = share <= 0 ? 0 : share >= 1 ? 4 : share * 4;
    int low = at >= 4 ? 3 : (int)at, rgb[3];
    for (int i = 0; i < 3; i++)
        rgb[i] = (int)(stop[low][i] + (at - low) * (stop[low + 1][i] - stop[low][i]) + 0.5);
    wg__buf_printf(out, "#%02x%02x%02x", (unsigned)rgb[0], (unsigned)rgb[1], (unsigned)rgb[2]);
}

static layout make_layout(const wg_tensor *weights, const char *const *rows,
                          const char *const *cols, const char *title)
{
    wg_shape shape = wg_tensor_shape(weights);
    layout l = {.rows = (int)shape.dim[0], .cols = (int)shape.dim[1], .scale = 1};
    int most = l.rows > l.cols ? l.rows : l.cols;
    l.cell = most <= 24 ? 30 : most <= 40 ? 22 : most <= 80 ? 16 : 12;
    l.font = l.cell >= 22 ? 14 : l.cell - 3;
    double column = 0.62 * l.font;
    double up = widest(cols, l.cols) * column;
    l.left = MARGIN + (int)(widest(rows, l.rows) * column) + GAP;
    /* Column labels rise at 45 degrees from the middle of their cells. */
    l.top = MARGIN + (title ? 30 : 0) + (int)(up * 0.7072) + l.font + GAP;
    int right = (int)(up * 0.7072) + l.font - l.cell / 2;
    int legend = GAP * 3 + LEGEND + 40;
    l.width = l.left + l.cols * l.cell + (right > legend ? right : legend) + MARGIN;
    int cells = l.rows * l.cell;
    l.height = l.top + (cells > 90 ? cells : 90) + MARGIN;
    int heading = title ? (int)(label_columns(title, 60) * 0.62 * 16) + 2 * MARGIN : 0;
    if (heading > l.width) l.width = heading;
    for (int64_t i = 0; i < wg_tensor_count(weights); i++) {
        double w = wg_tensor_get(weights, i);
        if (isfinite(w) && w > l.scale) l.scale = w;
    }
    return l;
}

static void put_head(wg__buf *out, const layout *l, const char *title)
{
    wg__buf_printf(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"'DejaVu Sans', 'Noto Sans', "
                   "Verdana, sans-serif\" font-size=\"%d\" fill=\"#222222\">\n",
                   l->width, l->height, l->width, l->height, l->font);
    wg__buf_text(out, "<title>");
    put_label(out, title ? title : "Heat map", 0);
    wg__buf_text(out, "</title>\n<defs>\n<linearGradient id=\"shade\" x1=\"0\" y1=\"1\" x2=\"0\" "
                      "y2=\"0\">\n");
    for (int i = 0; i <= 4; i++) {
        wg__buf_printf(out, "<stop offset=\"%d%%\" stop-color=\"", i * 25);
        put_colour(out, i / 4.0);
        wg__buf_text(out, "\"/>\n");
    }
    wg__buf_text(out, "</linearGradient>\n<pattern id=\"nan\" width=\"6\" height=\"6\" "
                      "patternUnits=\"userSpaceOnUse\"><rect width=\"6\" height=\"6\" "
                      "fill=\"#ffffff\"/><path d=\"M0 6L6 0\" stroke=\"#cc3311\"/></pattern>\n"
                      "</defs>\n");
    wg__buf_printf(out, "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", l->width,
                   l->height);
    if (!title) return;
    wg__buf_printf(out, "<text x=\"%d\" y=\"%d\" font-size=\"16\" font-weight=\"bold\">", MARGIN,
                   MARGIN + 14);
    put_label(out, title, 60);
    wg__buf_text(out, "</text>\n");
}

static void put_labels(wg__buf *out, const layout *l, const char *const *rows,
                       const char *const *cols)
{
    char number[16];
    wg__buf_text(out, "<g text-anchor=\"end\">\n");
    for (int i = 0; i < l->rows; i++) {
        wg__buf_printf(out, "<text x=\"%d\" y=\"%d\">", l->left - GAP,
                       l->top + i * l->cell + l->cell / 2 + l->font * 7 / 20);
        put_label(out, label(rows, i, number), MAX_COLUMNS);
        wg__buf_text(out, "</text>\n");
    }
    wg__buf_text(out, "</g>\n<g>\n");
    for (int j = 0; j < l->cols; j++) {
        wg__buf_printf(out, "<text transform=\"translate(%d %d) rotate(-45)\">",
                       l->left + j * l->cell + l->cell / 2 + l->font / 4, l->top - GAP);
        put_label(out, label(cols, j, number), MAX_COLUMNS);
        wg__buf_text(out, "</text>\n");
    }
    wg__buf_text(out, "</g>\n");
}

static void put_value(wg__buf *out, double w)
{
    if (isnan(w))
        wg__buf_text(out, "NaN");
    else if (isinf(w))
        wg__buf_text(out, w > 0 ? "infinite" : "-infinite");
    else
        wg__buf_number(out, w, 3);
}

static void put_cells(wg__buf *out, const layout *l, const wg_tensor *weights,
                      const char *const *rows, const char *const *cols)
{
    char row[16], col[16];
    wg__buf_text(out, "<g stroke=\"#d9d9d9\" stroke-width=\"1\">\n");
    for (int i = 0; i < l->rows; i++)
        for (int j = 0; j < l->cols; j++) {
            double w = wg_tensor_get(weights, (int64_t)i * l->cols + j);
            wg__buf_printf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"",
                           l->left + j * l->cell, l->top + i * l->cell, l->cell, l->cell);
            if (isnan(w))
                wg__buf_text(out, "url(#nan)");
            else
                put_colour(out, w / l->scale);
            wg__buf_text(out, "\"><title>");
            put_label(out, label(rows, i, row), 0);
            wg__buf_text(out, " \xE2\x86\x90 ");
            put_label(out, label(cols, j, col), 0);
            wg__buf_text(out, ": ");
            put_value(out, w);
            wg__buf_text(out, "</title></rect>\n");
        }
    wg__buf_text(out, "</g>\n");
}

static void put_legend(wg__buf *out, const layout *l)
{
    int x = l->left + l->cols * l->cell + GAP * 3;
    int cells = l->rows * l->cell, height = cells < 90 ? 90 : cells > 200 ? 200 : cells;
    wg__buf_printf(out,
                   "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"url(#shade)\" "
                   "stroke=\"#999999\"/>\n<g font-size=\"11\">\n",
                   x, l->top, LEGEND, height);
    for (int i = 0; i <= 2; i++) {
        int y = l->top + height * i / 2;
        wg__buf_printf(out, "<path d=\"M%d %dh4\" stroke=\"#999999\"/><text x=\"%d\" y=\"%d\">",
                       x + LEGEND, y, x + LEGEND + 7, y + 4);
        wg__buf_number(out, l->scale * (2 - i) / 2, 3);
        wg__buf_text(out, "</text>\n");
    }
    wg__buf_text(out, "</g>\n");
}

wg_status wg_heatmap_svg(const wg_tensor *weights, const char *const *row_labels,
                         const char *const *col_labels, const char *title, char **svg,
                         size_t *length, wg_error *err)
{
    *svg = NULL;
    *length = 0;
    wg_shape shape = wg_tensor_shape(weights);
    wg_dtype dtype = wg_tensor_dtype(weights);
    if (dtype != WG_F32 && dtype != WG_F64)
        return wg_error_set(err, WG_EDTYPE, "heat map: weights must be f32 or f64, not %s",
                            wg_dtype_name(dtype));
    if (shape.rank != 2 || shape.dim[0] < 1 || shape.dim[1] < 1) {
        char text[160];
        return wg_error_set(err, WG_ESHAPE, "heat map: weights must be [rows, cols], not %s",
                            wg_shape_format(&shape, text, sizeof text));
    }
    if (shape.dim[0] > MAX_SIDE || shape.dim[1] > MAX_SIDE)
        return wg_error_set(err, WG_ELIMIT, "heat map: more than %d rows or columns", MAX_SIDE);
    layout l = make_layout(weights, row_labels, col_labels, title);
    wg__buf out = {0};
    put_head(&out, &l, title);
    put_labels(&out, &l, row_labels, col_labels);
    put_cells(&out, &l, weights, row_labels, col_labels);
    put_legend(&out, &l);
    wg__buf_text(&out, "</svg>\n");
    *svg = wg__buf_take(&out, length);
    return *svg ? WG_OK : wg_error_set(err, WG_ENOMEM, "heat map: out of memory");
}
