/* libFuzzer entry: any bytes as a checkpoint, loaded into an empty tree by the synchronous form and
 * by the loop's, which must agree, and in part into a tree that has two of the tensors. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <wengert/uv.h>

#ifndef WGT_FUZZ_CHECKPOINT
#define WGT_FUZZ_CHECKPOINT LLVMFuzzerTestOneInput
#endif

static void checkpoint_loaded(wg_checkpoint_load_t *r, wg_status status)
{
    wg_load_report_free(r->report);
    *(wg_status *)r->data = status;
}

static wg_status checkpoint_uv(const char *path, wg_state *s, const wg_checkpoint_options *o)
{
    uv_loop_t loop;
    wg_status status = WG_OK;
    wg_checkpoint_load_t r = {.data = &status};
    if (uv_loop_init(&loop) != 0) abort();
    if (wg_checkpoint_load_state(&loop, &r, path, s, o, checkpoint_loaded, NULL) != WG_OK) abort();
    uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) != 0) abort();
    return status;
}

static void checkpoint_same(const wg_state *a, const wg_state *b)
{
    if (wg_state_count(a) != wg_state_count(b)) abort();
    for (int i = 0; i < wg_state_count(a); i++) {
        const wg_tensor *x = wg_state_tensor_at(a, i), *y = wg_state_tensor_at(b, i);
        if (strcmp(wg_state_name(a, i), wg_state_name(b, i)) != 0 || !x != !y) abort();
        if (!x) continue;
        if (wg_tensor_bytes(x) != wg_tensor_bytes(y)) abort();
        if (memcmp(wg_tensor_cdata(x), wg_tensor_cdata(y), wg_tensor_bytes(x)) != 0) abort();
    }
}

static void checkpoint_part(const char *path, wg_checkpoint_options o)
{
    wg_state *s;
    wg_tensor *w, *step;
    if (wg_state_new(&s, NULL) != WG_OK ||
        wg_tensor_new(WG_F32, WG_SHAPE(16, 30), &w, NULL) != WG_OK ||
        wg_tensor_new(WG_I32, WG_SCALAR, &step, NULL) != WG_OK ||
        wg_state_put_tensor(s, "W", w, NULL) != WG_OK ||
        wg_state_put_tensor(s, "step", step, NULL) != WG_OK)
        abort();
    o.flags = WG_LOAD_PARTIAL;
    wg_checkpoint_load_state_sync(path, s, &o, NULL, NULL);
    if (wg_state_tensor(s, "W") != w || wg_state_tensor(s, "step") != step) abort();
    wg_state_free(s);
}

int WGT_FUZZ_CHECKPOINT(const uint8_t *data, size_t size);
int WGT_FUZZ_CHECKPOINT(const uint8_t *data, size_t size)
{
    char path[64];
    wg_state *a, *b;
    wg_npz_options npz = {.size = sizeof npz, .max_member = 1 << 20, .max_total = 1 << 22};
    wg_checkpoint_options o = {.size = sizeof o, .npz = &npz, .threads = 1, .memory = 1 << 20};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size) {
        if (wg_state_new(&a, NULL) != WG_OK || wg_state_new(&b, NULL) != WG_OK) abort();
        wg_status sync = wg_checkpoint_load_state_sync(path, a, &o, NULL, NULL);
        wg_status uv = checkpoint_uv(path, b, &o);
        if ((sync == WG_OK) != (uv == WG_OK)) abort();
        checkpoint_same(a, b);
        wg_state_free(a);
        wg_state_free(b);
        checkpoint_part(path, o);
    }
    close(fd);
    return 0;
}
