/* Recurrent weights of other programs: names, transposition and order of gates.
 *
 * PyTorch keeps the gates of a layer below each other, [gates * H, in], in weight_ih_l0,
 * weight_hh_l0 and two biases; here they stand side by side, [in, gates * H], and the biases that
 * are only ever added are one. Which block becomes which is a table a cell (interop.c). Everything
 * else in a state tree keeps its values; its name may change, and matrices may be transposed on
 * request. */
#ifndef WENGERT_INTEROP_H
#define WENGERT_INTEROP_H

#include <wengert/state.h>

WG_BEGIN_DECLS

typedef struct wg_interop_options {
    size_t size; /* sizeof(wg_interop_options) */
    /* Prefixes, "FROM=TO": of names FROM... the beginning becomes TO; the longest that fits, whole
     * components or not. Of a layer, FROM is compared with what stands before "weight_ih_l0" or
     * ".l0.fw.Wx", the dot included there ("encoder.rnn." and "enc."). */
    const char *const *map;
    int n_map;
    /* Patterns (`*`, `?`, `[...]`) over names before mapping: matrices to transpose (the weights of
     * linear layers, [out, in] there and [in, out] here). */
    const char *const *transpose;
    int n_transpose;
    /* Import: cell of layers with three gates, "gru" (default) or "gru-reset-before", which PyTorch
     * does not have but others write in the same form. */
    const char *gru;
    /* Order of the gates in the other program, by letters, where it is not PyTorch's: of LSTMs a
     * permutation of "ifgo" (g is the cell candidate), of GRUs one of "rzn". NULL = PyTorch's. */
    const char *lstm_gates, *gru_gates;
} wg_interop_options;

typedef struct wg_interop_report {
    int layers; /* layer directions that were mapped */
    int others; /* other tensors */
    int transposed;
} wg_interop_report;

/* Puts what `in` holds into `out`, in this library's form: "P.l<k>.<fw|bw>.<Wx|Wh|b|...>" for
 * PyTorch's "P.weight_ih_l<k>[_reverse]" and so on; P is "rnn" where there is none. Cells are told
 * by shapes: lstm, lstmp (with weight_hr), gru, rnn. Biases that are missing are zeros. Texts are
 * copied. options and report may be NULL. WG_EFORMAT, naming the tensor, for parts of a layer that
 * are missing or do not fit; WG_EEXIST where two tensors would get one name; WG_EINVAL, WG_ENOMEM.
 */
WG_API wg_status wg_interop_from_pytorch(const wg_state *in, const wg_interop_options *options,
                                         wg_state *out, wg_interop_report *report, wg_error *err);
/* The other way round: bias_ih gets the biases, bias_hh what acts inside the reset gate (gru's bhn)
 * and zeros, so that importing gives the same bits again. */
WG_API wg_status wg_interop_to_pytorch(const wg_state *in, const wg_interop_options *options,
                                       wg_state *out, wg_interop_report *report, wg_error *err);
/* Names and transposition alone; layers are tensors like others. */
WG_API wg_status wg_interop_rename(const wg_state *in, const wg_interop_options *options,
                                   wg_state *out, wg_interop_report *report, wg_error *err);

WG_END_DECLS

#endif
