/* Ops: the public structure that every op, built-in or plugin, is made of.
 *
 * An op is one constant descriptor: a name, traits, a shape rule, a kernel, a VJP rule. Core and
 * its passes know ops only through this descriptor, never by name. Built-in ops use nothing that is
 * not here. Recording is a call of wg_record with the descriptor itself; registering makes an op
 * known by name to tests, tools and files. */
#ifndef WENGERT_OP_H
#define WENGERT_OP_H

#include <wengert/tape.h>

WG_BEGIN_DECLS

/* Traits. Exactly one of the family bits. */
enum {
    WG_OP_MAP = 1 << 0,     /* elementwise after broadcasting: has `map`, may be fused */
    WG_OP_REDUCE = 1 << 1,  /* reduction over the last axis with `row`, may be fused with maps */
    WG_OP_PRODUCT = 1 << 2, /* matrix product */
    WG_OP_GATHER = 1 << 3,
    WG_OP_SCATTER = 1 << 4,
    WG_OP_VIEW = 1 << 5,   /* output is input 0 seen through other strides: has `view` */
    WG_OP_RANDOM = 1 << 6, /* pure function of its operands; never moved between streams */
    WG_OP_SCAN = 1 << 7,
    WG_OP_LEAF = 1 << 8,
    WG_OP_OPAQUE = 1 << 9, /* anything else: a kernel that the passes only place */
    WG_OP_FAMILY = (1 << 10) - 1,
    /* and any of */
    WG_OP_COMMUTATIVE = 1 << 16, /* f(a,b) = f(b,a): canonical order for common subexpressions */
    WG_OP_CHEAP = 1 << 17,   /* map without a transcendental, or a copy: recomputed, not stored */
    WG_OP_KINKS = 1 << 18,   /* not differentiable everywhere (relu, abs, max ...) */
    WG_OP_STRIDED = 1 << 19, /* kernel reads inputs through strides (else they are contiguous) */
    WG_OP_NO_GRADIENT = 1 << 20, /* no VJP by nature (argmax, comparisons): gradient is zero */
    WG_OP_INPLACE = 1 << 21,     /* out 0 may share memory with a same-typed input */
    WG_OP_ROWWISE = 1 << 22,     /* row i of the outputs depends on row i of the inputs alone */
    WG_OP_EFFECT = 1 << 23,      /* must run even when nothing uses its outputs */
    WG_OP_JOIN = 1 << 24,        /* output is the inputs side by side along attr's axis */
    WG_OP_TOUCHES = 1 << 25,     /* kernels keep wg_kernel.touched: most rows of out 0 are zero */
    /* Output is a sum over the leading axes of the inputs, as many as the input with the fewest
     * has, and they may be any number: f(a) + f(b) is f(a and b one behind the other). */
    WG_OP_ADDS = 1 << 26,
};

/* Backends: slots of the kernel tables. */
enum { WG_BACKEND_CPU = 0, WG_BACKEND_CUDA = 1, WG_BACKENDS = 2 };

/* Shape rule: reads in/attr, fills out[0..n_out). Fails through wg_infer_fail. */
typedef struct wg_infer {
    size_t size;
    int n_in, n_out;
    const wg_type *in;
    const void *attr; /* canonical attribute bytes, attr_size of them */
    size_t attr_size;
    wg_type *out;
    wg_error *err; /* filled by wg_infer_fail; NULL-safe */
} wg_infer;
/* Returns `status` after noting the message; the recorder puts op name and scope before it. */
WG_API wg_status wg_infer_fail(wg_infer *c, wg_status status, const char *fmt, ...) WG_PRINTF(3, 4);
WG_API wg_status wg_infer_failv(wg_infer *c, wg_status status, const char *fmt, va_list args)
    WG_PRINTF(3, 0);

/* A value at run time. stride in elements; data points at element [0,...,0]. */
typedef struct wg_view {
    wg_dtype dtype;
    wg_shape shape;
    int64_t stride[WG_MAX_AXES];
    void *data;
} wg_view;

/* Which rows of a matrix may differ from zero. Where `known`, every row v of n whose bit (v % 64 of
 * bits[v / 64]) is clear holds zeros (+0) throughout; bits past the last row are clear. */
typedef struct wg_touched {
    int64_t n;
    uint64_t *bits; /* (n + 63) / 64 words */
    bool known;
} wg_touched;

/* One kernel call. Inputs are contiguous unless the op is WG_OP_STRIDED; outputs always are.
 * Kernels return WG_OK or wg_error_set(c->err, ...); they must not allocate: they ask for
 * `workspace` bytes (64-byte aligned) beforehand. */
typedef struct wg_kernel {
    size_t size;
    int n_in, n_out;
    const wg_view *in;
    const wg_view *out;
    const void *attr;
    size_t attr_size;
    void *workspace;
    size_t workspace_size;
    int threads; /* how many the kernel may use, through wg_parallel_for */
    int isa;     /* wg_isa: which function table */
    wg_error *err;
    /* WG_OP_TOUCHES: what is known of the memory of out 0, a matrix that was kept since the last
     * run: where `known`, only the rows with a bit need clearing. The kernel leaves the bits of the
     * rows that it wrote, and `known`; if it fails after it began to write, `known` is false. NULL:
     * the memory holds anything, and nobody asks. Always NULL but on the CPU. */
    wg_touched *touched;
} wg_kernel;

/* A block of an elementwise op: n elements, every input contiguous and of n elements (broadcast
 * operands are expanded by the caller). out may equal any in[i] of the same element size. */
typedef struct wg_map {
    int64_t n;
    wg_dtype dtype;     /* of the inputs (input 0; for where: input 1) */
    wg_dtype out_dtype; /* of the output */
    void *out;
    const void *const *in;
    const void *attr;
    int isa;
} wg_map;

/* A row reduction: one row of n contiguous elements in, one element out. */
typedef struct wg_row {
    int64_t n;
    wg_dtype dtype;
    wg_dtype out_dtype;
    const void *in;
    void *out;
    const void *attr;
    int isa;
} wg_row;

/* Attributes that passes must read begin with one of these, by trait. */
typedef struct wg_reduce_attr { /* WG_OP_REDUCE */
    uint32_t axes;              /* bit i = axis i is reduced */
    uint32_t keep;              /* reduced axes stay with length 1 */
} wg_reduce_attr;
typedef struct wg_product_attr { /* WG_OP_PRODUCT: y = op(a) op(b) */
    uint32_t trans_a, trans_b;
} wg_product_attr;
typedef struct wg_join_attr { /* WG_OP_JOIN */
    int64_t axis;             /* 0 <= axis < rank */
} wg_join_attr;

typedef struct wg_vjp wg_vjp;
typedef struct wg_op wg_op;

/* How a product can prepare its right operand for many products: y = product(a, pack(b)). Filled by
 * wg_op.packing; both attributes are canonical bytes, as everywhere. */
typedef struct wg_packing {
    size_t size;
    const wg_op *pack;    /* one operand, b; its result has type `packed` */
    const wg_op *product; /* operands a and the packed b; its result is that of the plain product */
    wg_type packed;
    unsigned char pack_attr[32], product_attr[32];
    size_t pack_attr_size, product_attr_size;
} wg_packing;

/* The loop over one block of a map for a dtype (of the inputs) and an instruction set (wg_isa). */
typedef void (*wg_map_fn)(const wg_map *c);
typedef wg_map_fn (*wg_map_loop_fn)(wg_dtype dtype, int isa);

/* A tree of maps that one loop computes: a b + c of mul and add, say. A fused kernel runs `loop` in
 * place of the tree where nothing else needs what the tree computes on the way. Node 0 is the op
 * that lists the pattern; operand i of node k is node in[k][i], or operand ~in[k][i] of the whole.
 * An operand that occurs twice must be the same value. Commutative nodes match either way round.
 * Nodes have no attributes, up to three operands, and all values have one dtype. */
enum { WG_PATTERN_NODES = 6, WG_PATTERN_OPERANDS = 4 };
typedef struct wg_map_pattern {
    int n_nodes, n_in;
    uint32_t dtypes; /* bit d: holds for wg_dtype d */
    const wg_op *op[WG_PATTERN_NODES];
    int8_t in[WG_PATTERN_NODES][3];
    wg_map_loop_fn loop; /* takes n_in operands */
} wg_map_pattern;

struct wg_op {
    size_t size;      /* sizeof(wg_op) */
    const char *name; /* "add"; plugins: "namespace.name" */
    uint32_t version; /* raised when the meaning of attributes changes */
    uint32_t traits;
    int n_in;  /* -1 = any number */
    int n_out; /* -1 = says infer (the recorder passes the number wanted) */
    /* Shape rule (always there). */
    wg_status (*infer)(wg_infer *c);
    /* VJP rule: records, with public ops, the gradients of the inputs that need one. NULL only with
     * WG_OP_NO_GRADIENT. */
    void (*vjp)(wg_vjp *c);
    /* Kernels by backend. Maps and views may leave the CPU slot NULL. */
    wg_status (*kernel[WG_BACKENDS])(wg_kernel *c);
    void (*map)(const wg_map *c);
    void (*row)(const wg_row *c);
    /* View rule: from the input's layout to the output's; false = cannot, copy the input first. */
    bool (*view)(const wg_view *in, const wg_view *shape_of_out, const void *attr, wg_view *out);
    /* Bytes of workspace for a kernel call of these types; NULL = none. */
    size_t (*workspace)(const wg_type *in, int n_in, const wg_type *out, int n_out,
                        const void *attr, int threads);
    /* Writes the attributes for print and DOT ("axis=1"); NULL = none. */
    void (*format)(const void *attr, size_t attr_size, char *buf, size_t size);
    const char *doc; /* one line with the formula: "y = a + b" */
    /* WG_OP_PRODUCT: whether, and how, to pack a right operand of type b that `uses` products with
     * left operands of type a share. It may depend on nothing but its arguments (isa: a wg_isa), so
     * that the same program gives the same bits. NULL = never. */
    bool (*packing)(const wg_type *a, const wg_type *b, const void *attr, int64_t uses, int isa,
                    wg_packing *out);
    /* Maps, optional. What `map` would run, so that a fused kernel calls it without a detour; and
     * trees with this op at the root that have a loop of their own, the one to prefer first. */
    wg_map_loop_fn loop;
    const wg_map_pattern *patterns;
    int n_patterns;
    /* WG_OP_PRODUCT, optional: the same product for two f32 operands of which the right one is a
     * matrix, with operands rounded to bf16 and sums in f32. Placed for wg_compile_options.bf16. */
    const wg_op *bf16;
    /* Optional, of an op y = f(x, ...) with one output of which the VJP rule records one op for x,
     * dx = gradient(dy, x, ...), with f's attributes: an op that computes both while it has x at
     * hand. Operands: dy, x, ... and perhaps a row b as long as x's last axis, and then x + b is
     * meant. Outputs: dx, y and perhaps the sum of dx over all axes but the last, in a row. Placed
     * by the compiler where nothing else reads x and dy does not depend on y. */
    const wg_op *gradient, *paired;
};

/* Appends a node. attr is copied; it must have no padding garbage (memset first) and no pointers.
 * The tape is that of the inputs (the innermost body among them; others are lifted). */
WG_API wg_var wg_record(const wg_op *op, const wg_var *in, int n_in, const void *attr,
                        size_t attr_size);
/* Several outputs: fills out[0..n_out). */
WG_API wg_status wg_record_n(const wg_op *op, const wg_var *in, int n_in, const void *attr,
                             size_t attr_size, wg_var *out, int n_out);
/* Ops without inputs name their tape. */
WG_API wg_var wg_record_on(wg_tape *tape, const wg_op *op, const wg_var *in, int n_in,
                           const void *attr, size_t attr_size);

/* Inside a VJP rule. */
WG_API int wg_vjp_n_in(const wg_vjp *c);
WG_API int wg_vjp_n_out(const wg_vjp *c);
WG_API wg_var wg_vjp_in(const wg_vjp *c, int i);
WG_API wg_var wg_vjp_out(const wg_vjp *c, int i);
WG_API const void *wg_vjp_attr(const wg_vjp *c);
WG_API size_t wg_vjp_attr_size(const wg_vjp *c);
/* Does input i need a gradient? (Else do not record one.) */
WG_API bool wg_vjp_needs(const wg_vjp *c, int i);
/* Is there a gradient for output i, or is it a symbolic zero? */
WG_API bool wg_vjp_has_grad(const wg_vjp *c, int i);
/* Gradient of output i; zeros are recorded when it is absent. */
WG_API wg_var wg_vjp_grad(wg_vjp *c, int i);
/* Adds g to the gradient of input i. A g of a broadcast shape is summed down to the input's, one
 * that broadcasts to it is repeated. */
WG_API void wg_vjp_add(wg_vjp *c, int i, wg_var g);
/* For ops with a fast kernel whose derivative is that of a composition: `same` must equal output 0
 * as a function of the inputs, recorded from wg_vjp_in(c, .); differentiates through it. */
WG_API void wg_vjp_through(wg_vjp *c, wg_var same);

/* g summed over the axes along which `shape` was broadcast to g's shape; g itself where the shapes
 * are equal. */
WG_API wg_var wg_sum_to(wg_var g, wg_shape shape);

/* Registry of ops. Descriptors must outlive the process' use of the library. Registration happens
 * before the first tape is made (WG_ESTATE afterwards); a name already taken: WG_EEXIST. */
WG_API wg_status wg_register_op(const wg_op *op, wg_error *err);
WG_API const wg_op *wg_find_op(const char *name);
WG_API int wg_op_count(void);
WG_API const wg_op *wg_op_at(int i);

WG_END_DECLS

#endif
