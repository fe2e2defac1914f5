/* The .npy header: magic, version, and a Python dictionary literal in ASCII
 * (numpy.lib.format, NEP 1). */
#include "npy.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are written as they lie");

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

size_t wg__npy_write(const wg_tensor *tensor, char header[WG__NPY_MAX_HEADER])
{
    static const char *const descr[WG_DTYPES] = {"<f4", "<f8", "<i4", "|u1"};
    wg_shape shape = wg_tensor_shape(tensor);
    char *text = header + 10;
    int room = WG__NPY_MAX_HEADER - 10;
    int n = snprintf(text, (size_t)room, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                     descr[wg_tensor_dtype(tensor)]);
    for (int i = 0; i < shape.rank; i++)
        n += snprintf(text + n, (size_t)(room - n), "%s%" PRId64, i ? ", " : "", shape.dim[i]);
    n += snprintf(text + n, (size_t)(room - n), "%s), }", shape.rank == 1 ? "," : "");
    /* 10 + n + 1 rounded up, so that the data is aligned for whoever maps the member. */
    size_t total = ((size_t)n + 11 + 63) / 64 * 64;
    memset(text + n, ' ', total - 11 - (size_t)n);
    header[total - 1] = '\n';
    memcpy(header, magic, 6);
    header[6] = 1;
    header[7] = 0;
    header[8] = (char)((total - 10) & 0xff);
    header[9] = (char)((total - 10) >> 8);
    return total;
}

wg_status wg__npy_prefix(const char *name, const unsigned char *p, size_t *begin, size_t *size,
                         wg_error *err)
{
    if (memcmp(p, magic, 6) != 0)
        return wg_error_set(err, WG_EFORMAT, "%s: not a .npy array (wrong magic)", name);
    if (p[6] < 1 || p[6] > 3 || p[7] != 0)
        return wg_error_set(err, WG_EVERSION, "%s: .npy format %u.%u is not known", name,
                            (unsigned)p[6], (unsigned)p[7]);
    *begin = p[6] == 1 ? 10 : 12;
    *size = p[6] == 1
                ? (size_t)p[8] | (size_t)p[9] << 8
                : (size_t)p[8] | (size_t)p[9] << 8 | (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (*size > 1 << 20)
        return wg_error_set(err, WG_ELIMIT, "%s: .npy header of %zu bytes", name, *size);
    return WG_OK;
}

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++;
}

static bool take(cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

static bool take_word(cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

/* A quoted string without escapes, into text[16]. */
static bool take_string(cursor *c, char text[16])
{
    char quote = take(c, '\'') ? '\'' : take(c, '"') ? '"' : 0;
    size_t n = 0;
    if (!quote) return false;
    while (c->at < c->end && *c->at != quote) {
        if (n == 15 || *c->at == '\\' || *c->at < ' ') return false;
        text[n++] = *c->at++;
    }
    text[n] = '\0';
    return take(c, quote);
}

static bool take_length(cursor *c, int64_t *out)
{
    int64_t value = 0;
    skip_space(c);
    const char *start = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (value > (INT64_MAX - 9) / 10) return false;
        value = value * 10 + (*c->at - '0');
    }
    *out = value;
    return c->at > start;
}

static wg_status malformed(const char *name, const char *what, wg_error *err)
{
    return wg_error_set(err, WG_EFORMAT, "%s: malformed .npy header (%s)", name, what);
}

static wg_status parse_shape(const char *name, cursor *c, wg_shape *shape, wg_error *err)
{
    int64_t dim[WG_MAX_AXES];
    int rank = 0;
    if (!take(c, '(')) return malformed(name, "shape", err);
    while (!take(c, ')')) {
        int64_t length;
        if (!take_length(c, &length)) return malformed(name, "shape", err);
        if (rank == WG_MAX_AXES)
            return wg_error_set(err, WG_ENOTSUP, "%s: more than %d axes", name, WG_MAX_AXES);
        dim[rank++] = length;
        if (take(c, ',')) continue;
        /* "(3)" is a number in Python, not a shape. */
        if (rank == 1 || !take(c, ')')) return malformed(name, "shape", err);
        break;
    }
    *shape = wg_shape_of(rank, dim);
    return WG_OK;
}

static wg_status parse_descr(const char *name, cursor *c, wg__npy *out, wg_error *err)
{
    static const struct {
        const char *descr;
        wg__npy_kind kind;
        wg_dtype dtype;
        size_t element;
    } known[] = {{"<f4", WG__NPY_F4, WG_F32, 4}, {"<f8", WG__NPY_F8, WG_F64, 8},
                 {"<i4", WG__NPY_I4, WG_I32, 4}, {"<i8", WG__NPY_I8, WG_I32, 8},
                 {"|u1", WG__NPY_U1, WG_U8, 1},  {"|b1", WG__NPY_U1, WG_U8, 1}};
    char text[16];
    skip_space(c);
    if (c->at < c->end && *c->at == '[')
        return wg_error_set(err, WG_ENOTSUP, "%s: structured dtypes are not supported", name);
    if (!take_string(c, text)) return malformed(name, "descr", err);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(text, known[i].descr) == 0) {
            out->kind = known[i].kind;
            out->type.dtype = known[i].dtype;
            out->element = known[i].element;
            return WG_OK;
        }
    if (text[0] == '>')
        return wg_error_set(err, WG_ENOTSUP,
                            "%s: big-endian data ('%s'); save it with .astype('<%s') first", name,
                            text, text + 1);
    return wg_error_set(err, WG_ENOTSUP,
                        "%s: dtype '%s' is not supported (use float32, float64, int32 or uint8)",
                        name, text);
}

wg_status wg__npy_parse(const char *name, const char *text, size_t size, wg__npy *out,
                        wg_error *err)
{
    cursor c = {text, text + size};
    unsigned seen = 0;
    bool fortran = false;
    wg_status status;
    memset(out, 0, sizeof *out);
    if (!take(&c, '{')) return malformed(name, "no dictionary", err);
    while (!take(&c, '}')) {
        char key[16];
        if (!take_string(&c, key) || !take(&c, ':')) return malformed(name, "key", err);
        unsigned bit = strcmp(key, "descr") == 0           ? 1
                       : strcmp(key, "fortran_order") == 0 ? 2
                       : strcmp(key, "shape") == 0         ? 4
                                                           : 0;
        if (!bit || (seen & bit)) return malformed(name, "unknown or repeated key", err);
        seen |= bit;
        if (bit == 1) {
            status = parse_descr(name, &c, out, err);
            if (status != WG_OK) return status;
        } else if (bit == 2) {
            fortran = take_word(&c, "True");
            if (!fortran && !take_word(&c, "False")) return malformed(name, "fortran_order", err);
        } else {
            status = parse_shape(name, &c, &out->type.shape, err);
            if (status != WG_OK) return status;
        }
        if (take(&c, ',')) continue;
        if (!take(&c, '}')) return malformed(name, "comma", err);
        break;
    }
    skip_space(&c);
    if (c.at != c.end || seen != 7) return malformed(name, "incomplete", err);
    if (fortran && out->type.shape.rank > 1)
        return wg_error_set(err, WG_ENOTSUP,
                            "%s: Fortran order; save it with numpy.ascontiguousarray first", name);
    int64_t count = wg_shape_count(&out->type.shape);
    if (count < 0 || !wg_mul_size((size_t)count, out->element, &out->data_size))
        return wg_error_set(err, WG_EOVERFLOW, "%s: the shape overflows", name);
    return WG_OK;
}
