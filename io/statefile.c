/* A state tree is a flat list of names: one member each. */
#include <wengert/statefile.h>

#include <wengert/memory.h>

wg_status wg_state_save(const char *path, const wg_state *state, const wg_npz_options *options,
                        wg_error *err)
{
    wg_npz_writer *writer;
    wg_status status = wg_npz_create(path, options, &writer, err);
    if (status != WG_OK) return status;
    for (int i = 0; i < wg_state_count(state) && status == WG_OK; i++) {
        const char *name = wg_state_name(state, i);
        const wg_tensor *tensor = wg_state_tensor_at(state, i);
        size_t length = 0;
        if (tensor) {
            status = wg_npz_add_tensor(writer, name, tensor, err);
        } else {
            const char *text = wg_state_text_at(state, i, &length);
            status = wg_npz_add_bytes(writer, name, text, length, err);
        }
    }
    if (status != WG_OK) {
        wg_npz_abort(writer);
        return status;
    }
    return wg_npz_finish(writer, err);
}

static wg_status load_member(wg_npz *npz, int64_t i, wg_state *state, const char *path,
                             wg_error *err)
{
    const char *name = wg_npz_name(npz, i);
    wg_status status;
    wg_error inner;
    if (wg_npz_is_tensor(npz, i)) {
        wg_tensor *tensor;
        status = wg_npz_read_tensor(npz, i, &tensor, err);
        if (status != WG_OK) return status;
        status = wg_state_put_tensor(state, name, tensor, &inner);
        if (status != WG_OK) wg_tensor_free(tensor);
    } else {
        char *text;
        size_t length;
        status = wg_npz_read_bytes(npz, i, &text, &length, err);
        if (status != WG_OK) return status;
        status = wg_state_put_text(state, name, text, length, &inner);
        wg_free(text);
    }
    return status == WG_OK ? WG_OK : wg_error_set(err, status, "%s: %s", path, inner.message);
}

wg_status wg_state_load(const char *path, wg_state **out, wg_error *err)
{
    *out = NULL;
    wg_npz *npz;
    wg_status status = wg_npz_open(path, NULL, &npz, err);
    if (status != WG_OK) return status;
    wg_state *state = NULL;
    status = wg_state_new(&state, err);
    for (int64_t i = 0; i < wg_npz_count(npz) && status == WG_OK; i++)
        status = load_member(npz, i, state, path, err);
    wg_npz_close(npz);
    if (status != WG_OK) {
        wg_state_free(state);
        return status;
    }
    *out = state;
    return WG_OK;
}
