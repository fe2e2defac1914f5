/* Whole state trees: the synchronous forms of checkpoints under their older names. */
#include <wengert/statefile.h>

#include <wengert/checkpoint.h>

wg_status wg_state_save(const char *path, const wg_state *state, const wg_npz_options *options,
                        wg_error *err)
{
    wg_checkpoint_options o = {.size = sizeof o, .npz = options};
    if (options && options->size >= sizeof *options) {
        o.threads = options->threads;
        o.memory = options->memory;
    }
    return wg_checkpoint_save_state_sync(path, state, &o, err);
}

wg_status wg_state_load(const char *path, wg_state **out, wg_error *err)
{
    *out = NULL;
    wg_state *state;
    wg_status status = wg_state_new(&state, err);
    if (status != WG_OK) return status;
    status = wg_checkpoint_load_state_sync(path, state, NULL, NULL, err);
    if (status != WG_OK) {
        wg_state_free(state);
        return status;
    }
    *out = state;
    return WG_OK;
}
