/* wengert convert IN OUT: between .npz, .npy and safetensors, and between PyTorch's names, gates
 * and transposition and ours. */
#include "cli.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/interop.h>
#include <wengert/memory.h>
#include <wengert/tensorfile.h>

enum { WENGERT = 0, PYTORCH = 1 };

static bool matches(const cli_args *args, const char *option, const char *name)
{
    size_t n = 0;
    const char *const *pattern = cli_strings(args, option, &n);
    for (size_t i = 0; i < n; i++)
        if (fnmatch(pattern[i], name, 0) == 0) return true;
    return false;
}

static wg_status take_member(wg_tensorfile *file, int64_t i, wg_state *state, wg_error *err)
{
    const char *name = wg_tensorfile_name(file, i);
    wg_status status;
    if (wg_tensorfile_is_tensor(file, i)) {
        wg_tensor *t;
        status = wg_tensorfile_tensor(file, i, &t, err);
        if (status) return status;
        status = wg_state_put_tensor(state, name, t, err);
        if (status) wg_tensor_free(t);
        return status;
    }
    char *text;
    size_t length;
    status = wg_tensorfile_text(file, i, &text, &length, err);
    if (!status) status = wg_state_put_text(state, name, text, length, err);
    wg_free(text);
    return status;
}

static int load(const cli_args *args, const char *path, wg_state *state)
{
    wg_error err = {0};
    wg_tensorfile *file;
    if (wg_tensorfile_open(path, &file, &err)) return cli_fail(&err);
    int status = CLI_FINE;
    for (int64_t i = 0; i < wg_tensorfile_count(file) && status == CLI_FINE; i++) {
        const char *name = wg_tensorfile_name(file, i);
        if (cli_given(args, "names") && !matches(args, "names", name)) continue;
        if (matches(args, "drop", name)) continue;
        if (take_member(file, i, state, &err)) {
            char *safe = cli_escape(name, strlen(name));
            status = cli_error("%s (--drop '%s' leaves it out)", err.message, safe ? safe : "");
            free(safe);
        }
    }
    wg_tensorfile_close(file);
    if (status == CLI_FINE && wg_state_count(state) == 0)
        return cli_error("%s: nothing to convert", path);
    return status;
}

/* To f32 or f64, where --dtype asks for it. */
static wg_status set_dtype(const cli_args *args, const wg_state *in, wg_state *out, wg_error *err)
{
    int to = cli_choice(args, "dtype") - 1;
    wg_status status = WG_OK;
    for (int i = 0; i < wg_state_count(in) && !status; i++) {
        size_t length;
        const char *text = wg_state_text_at(in, i, &length), *name = wg_state_name(in, i);
        wg_tensor *from = wg_state_tensor_at(in, i), *t;
        if (text) {
            status = wg_state_put_text(out, name, text, length, err);
            continue;
        }
        bool real = (WG_BIT(wg_tensor_dtype(from)) & WG_FLOATS) != 0;
        wg_dtype dtype = real && to >= 0 ? (wg_dtype)to : wg_tensor_dtype(from);
        status = wg_tensor_new(dtype, wg_tensor_shape(from), &t, err);
        if (status) return status;
        status = wg_tensor_copy(t, from, err);
        if (!status) status = wg_state_put_tensor(out, name, t, err);
        if (status) wg_tensor_free(t);
    }
    return status;
}

static wg_status rename_layers(const cli_args *args, const wg_state *in, wg_state *out,
                               wg_error *err)
{
    size_t n_map = 0, n_transpose = 0;
    int from = cli_choice(args, "from"), to = cli_choice(args, "to");
    wg_interop_options o = {.size = sizeof o,
                            .gru = cli_string(args, "gru"),
                            .lstm_gates = cli_string(args, "lstm-gates"),
                            .gru_gates = cli_string(args, "gru-gates")};
    o.map = cli_strings(args, "map", &n_map);
    o.transpose = cli_strings(args, "transpose", &n_transpose);
    o.n_map = (int)n_map;
    o.n_transpose = (int)n_transpose;
    wg_interop_report report = {0};
    wg_status status =
        from == PYTORCH && to == WENGERT   ? wg_interop_from_pytorch(in, &o, out, &report, err)
        : from == WENGERT && to == PYTORCH ? wg_interop_to_pytorch(in, &o, out, &report, err)
                                           : wg_interop_rename(in, &o, out, &report, err);
    if (!status)
        cli_note(args, "%d recurrent layers converted, %d other tensors, %d of them transposed",
                 report.layers, report.others, report.transposed);
    return status;
}

static int run(const cli_args *args)
{
    wg_error err = {0};
    wg_state *state[3] = {NULL, NULL, NULL};
    const char *in = cli_arg(args, "IN"), *out = cli_arg(args, "OUT");
    int format = wg_file_format_of(out);
    if (format < 0)
        return cli_usage_error(args, "%s: the name must end in .npz, .npy or .safetensors", out);
    int status = CLI_FINE;
    for (int i = 0; i < 3 && status == CLI_FINE; i++)
        if (wg_state_new(&state[i], &err)) status = cli_fail(&err);
    if (status == CLI_FINE) status = load(args, in, state[0]);
    if (status == CLI_FINE && (rename_layers(args, state[0], state[1], &err) ||
                               set_dtype(args, state[1], state[2], &err) ||
                               wg_tensorfile_save(out, (wg_file_format)format, state[2], &err)))
        status = cli_fail(&err);
    for (int i = 0; i < 3; i++) wg_state_free(state[i]);
    return status;
}

const cli_command cli_command_convert = {
    .path = {"convert"},
    .summary = "convert files of tensors, PyTorch's layers included",
    .description =
        "Reads .npz, .npy and safetensors, told apart by their content, and writes the format that "
        "the name of OUT ends in. f16 and bf16 are read as f32, integers of 64 bits as i32 where "
        "they fit.\n\n"
        "--from pytorch (to wengert, the default) turns layers with PyTorch's names (weight_ih_l0 "
        "...) into cells: transposed, gates side by side, biases added. --to pytorch writes them "
        "back. Everything else keeps its values.\n\n"
        "A state dict of PyTorch becomes .npz by\n"
        "python3 -c \"import torch, numpy; numpy.savez('m.npz', **{k: v.numpy() for k, v in "
        "torch.load('m.pt').items()})\"",
    .operands = (const cli_operand[]){{.name = "IN", .help = "What to read", .path = true},
                                      {.name = "OUT", .help = "What to write", .path = true},
                                      {0}},
    .options =
        (const cli_option[]){
            {.name = "from",
             .kind = CLI_CHOICE,
             .choices = CLI_CHOICES("wengert", "pytorch"),
             .fallback = "wengert",
             .help = "Whose layers are in IN",
             .group = "Layers"},
            {.name = "to",
             .kind = CLI_CHOICE,
             .choices = CLI_CHOICES("wengert", "pytorch"),
             .fallback = "wengert",
             .help = "Whose layers are in OUT"},
            {.name = "map",
             .kind = CLI_STRINGS,
             .metavar = "FROM=TO",
             .help = "Names that begin with FROM begin with TO in OUT (encoder.rnn.=model/enc.); "
                     "the longest FROM that fits counts; may be given several times"},
            {.name = "transpose",
             .kind = CLI_STRINGS,
             .metavar = "PATTERN",
             .help = "Other matrices to transpose, by their names in IN (the weights of linear "
                     "layers); may be given several times"},
            {.name = "gru",
             .kind = CLI_CHOICE,
             .choices = CLI_CHOICES("gru", "gru-reset-before"),
             .fallback = "gru",
             .help = "Which cell a layer with three gates is"},
            {.name = "lstm-gates",
             .kind = CLI_STRING,
             .metavar = "ORDER",
             .fallback = "ifgo",
             .help = "Order of an LSTM's gates in the other program (i input, f forget, g "
                     "candidate, o output)"},
            {.name = "gru-gates",
             .kind = CLI_STRING,
             .metavar = "ORDER",
             .fallback = "rzn",
             .help = "Order of a GRU's gates there (r reset, z update, n candidate)"},
            {.name = "names",
             .kind = CLI_STRINGS,
             .metavar = "PATTERN",
             .help = "Members of IN whose name matches (*, ?, [...]) only",
             .group = "Members"},
            {.name = "drop",
             .kind = CLI_STRINGS,
             .metavar = "PATTERN",
             .help = "Members of IN to leave out"},
            {.name = "dtype",
             .kind = CLI_CHOICE,
             .choices = CLI_CHOICES("keep", "f32", "f64"),
             .fallback = "keep",
             .help = "Type of all tensors of floating point in OUT"},
            {0},
        },
    .examples =
        (const cli_example[]){
            {"A model as safetensors", "wengert convert model/model.npz model.safetensors"},
            {"The encoder of a PyTorch model",
             "wengert convert --from pytorch --map encoder.rnn.=model/enc. \\\n"
             "    --names 'encoder.rnn.*' m.npz encoder.npz"},
            {"And back", "wengert convert --to pytorch --map model/enc.=encoder.rnn. encoder.npz "
                         "m2.npz"},
            {0},
        },
    .run = run,
};
