/* One face for the formats of tensors. */
#include <wengert/tensorfile.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <wengert/atomicfile.h>
#include <wengert/memory.h>
#include <wengert/npz.h>
#include <wengert/safetensors.h>
#include <wengert/statefile.h>

#include "fileerror.h"
#include "npy.h"

struct wg_tensorfile {
    wg_file_format format;
    char *path;
    char *name; /* of the tensor in a .npy */
    wg_npz *npz;
    wg_safetensors *safe;
};

static const char *const suffix[] = {".npz", ".npy", ".safetensors"};

int wg_file_format_of(const char *path)
{
    size_t n = strlen(path);
    for (int i = 0; i < 3; i++) {
        size_t k = strlen(suffix[i]);
        if (n > k && strcmp(path + n - k, suffix[i]) == 0) return i;
    }
    return -1;
}

const char *wg_file_format_name(wg_file_format format)
{
    return (int)format >= 0 && (int)format < 3 ? suffix[format] + 1 : NULL;
}

static wg_status sniff(const char *path, wg_file_format *format, wg_error *err)
{
    unsigned char head[9] = {0};
    int fd;
    wg_status status = wg__open_read(path, &fd, err);
    if (status != WG_OK) return status;
    ssize_t got = wg__read(fd, head, sizeof head);
    int number = errno;
    close(fd);
    if (got < 0) return wg__file_error(err, path, "read", number);
    *format = WG_FILE_SAFETENSORS;
    if (memcmp(head, "PK", 2) == 0) *format = WG_FILE_NPZ;
    if (memcmp(head, "\x93NUMPY", 6) == 0) *format = WG_FILE_NPY;
    if (*format == WG_FILE_SAFETENSORS && head[8] != '{')
        return wg_error_set(err, WG_EFORMAT,
                            "%s: neither .npz nor .npy nor safetensors by its first bytes", path);
    return WG_OK;
}

/* Name of the file without directory and suffix. */
static char *stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = wg_strdup(slash ? slash + 1 : path);
    char *dot = name ? strrchr(name, '.') : NULL;
    if (dot && dot > name) *dot = '\0';
    return name;
}

wg_status wg_tensorfile_open(const char *path, wg_tensorfile **out, wg_error *err)
{
    *out = NULL;
    if (!path || !*path) return wg_error_set(err, WG_EINVAL, "file name is empty");
    wg_tensorfile *f = wg_calloc(1, sizeof *f);
    if (!f) return wg__no_memory(err, path);
    wg_status status = sniff(path, &f->format, err);
    f->path = wg_strdup(path);
    f->name = stem(path);
    if (status == WG_OK && (!f->path || !f->name)) status = wg__no_memory(err, path);
    if (status == WG_OK && f->format == WG_FILE_NPZ) status = wg_npz_open(path, NULL, &f->npz, err);
    if (status == WG_OK && f->format == WG_FILE_SAFETENSORS)
        status = wg_safetensors_open(path, &f->safe, err);
    if (status != WG_OK) {
        wg_tensorfile_close(f);
        return status;
    }
    *out = f;
    return WG_OK;
}

void wg_tensorfile_close(wg_tensorfile *f)
{
    if (!f) return;
    wg_npz_close(f->npz);
    wg_safetensors_close(f->safe);
    wg_free(f->path);
    wg_free(f->name);
    wg_free(f);
}

wg_file_format wg_tensorfile_format(const wg_tensorfile *f)
{
    return f->format;
}

int64_t wg_tensorfile_count(const wg_tensorfile *f)
{
    if (f->npz) return wg_npz_count(f->npz);
    if (f->safe) return wg_safetensors_count(f->safe) + wg_safetensors_metadata_count(f->safe);
    return 1;
}

const char *wg_tensorfile_name(const wg_tensorfile *f, int64_t i)
{
    const char *value;
    if (f->npz) return wg_npz_name(f->npz, i);
    if (!f->safe) return i == 0 ? f->name : NULL;
    int64_t n = wg_safetensors_count(f->safe);
    return i < n ? wg_safetensors_name(f->safe, i)
                 : wg_safetensors_metadata(f->safe, i - n, &value);
}

bool wg_tensorfile_is_tensor(const wg_tensorfile *f, int64_t i)
{
    if (f->npz) return wg_npz_is_tensor(f->npz, i);
    return f->safe ? i >= 0 && i < wg_safetensors_count(f->safe) : i == 0;
}

const char *wg_tensorfile_dtype(const wg_tensorfile *f, int64_t i)
{
    return f->safe ? wg_safetensors_dtype(f->safe, i) : NULL;
}

/* A .npy file is read as numpy's own reader would: prefix, dictionary, elements to the end. */
static wg_status read_npy(const wg_tensorfile *f, wg_tensor **out, wg_error *err)
{
    char *bytes;
    size_t size, begin, header;
    wg__npy npy;
    wg_status status = wg_file_read(f->path, (size_t)64 << 30, &bytes, &size, err);
    if (status != WG_OK) return status;
    if (size < WG__NPY_PREFIX) status = wg_error_set(err, WG_EFORMAT, "%s: cut short", f->path);
    if (status == WG_OK)
        status = wg__npy_prefix(f->path, (const unsigned char *)bytes, &begin, &header, err);
    if (status == WG_OK && header > size - begin)
        status = wg_error_set(err, WG_EFORMAT, "%s: its header is cut short", f->path);
    if (status == WG_OK) status = wg__npy_parse(f->path, bytes + begin, header, &npy, err);
    if (status == WG_OK && npy.data_size != size - begin - header)
        status = wg_error_set(err, WG_EFORMAT, "%s: %zu bytes of elements, its header says %zu",
                              f->path, size - begin - header, npy.data_size);
    if (status == WG_OK) status = wg_tensor_new(npy.type.dtype, npy.type.shape, out, err);
    const char *data = status == WG_OK ? bytes + begin + header : NULL;
    if (data && npy.kind != WG__NPY_I8) {
        if (npy.data_size) memcpy(wg_tensor_data(*out), data, npy.data_size);
    } else if (data) {
        for (int64_t i = 0; i < wg_tensor_count(*out) && status == WG_OK; i++) {
            int64_t value;
            memcpy(&value, data + 8 * i, sizeof value);
            if (value < INT32_MIN || value > INT32_MAX)
                status = wg_error_set(err, WG_ELIMIT, "%s: an element does not fit i32", f->path);
            ((int32_t *)wg_tensor_data(*out))[i] = (int32_t)value;
        }
    }
    wg_free(bytes);
    if (status != WG_OK && data) {
        wg_tensor_free(*out);
        *out = NULL;
    }
    return status;
}

wg_status wg_tensorfile_tensor(wg_tensorfile *f, int64_t i, wg_tensor **out, wg_error *err)
{
    *out = NULL;
    if (!wg_tensorfile_is_tensor(f, i))
        return wg_error_set(err, WG_EINVAL, "%s: no tensor", f->path);
    if (f->npz) return wg_npz_read_tensor(f->npz, i, out, err);
    return f->safe ? wg_safetensors_read(f->safe, i, out, err) : read_npy(f, out, err);
}

wg_status wg_tensorfile_text(wg_tensorfile *f, int64_t i, char **text, size_t *length,
                             wg_error *err)
{
    const char *value = NULL;
    *text = NULL;
    *length = 0;
    if (f->npz) return wg_npz_read_bytes(f->npz, i, text, length, err);
    if (!f->safe || !wg_safetensors_metadata(f->safe, i - wg_safetensors_count(f->safe), &value))
        return wg_error_set(err, WG_EINVAL, "%s: no text", f->path);
    *text = wg_strdup(value);
    *length = strlen(value);
    return *text ? WG_OK : wg__no_memory(err, f->path);
}

wg_status wg_tensorfile_verify(wg_tensorfile *f, int64_t i, wg_error *err)
{
    wg_error why;
    wg_tensor *tensor = NULL;
    char *bytes = NULL;
    size_t size;
    wg_status status = WG_OK;
    if (f->npz || !wg_tensorfile_is_tensor(f, i))
        status = wg_tensorfile_text(f, i, &bytes, &size, &why); /* members as they lie, by CRC */
    wg_free(bytes);
    if (status == WG_OK && wg_tensorfile_is_tensor(f, i)) {
        status = wg_tensorfile_tensor(f, i, &tensor, &why);
        wg_tensor_free(tensor);
        if (status == WG_EDTYPE || status == WG_ENOTSUP || status == WG_ELIMIT) status = WG_OK;
    }
    return status == WG_OK ? WG_OK : wg_error_set(err, status, "%s", why.message);
}

static wg_status save_npy(const char *path, const wg_state *state, wg_error *err)
{
    const wg_tensor *only = NULL;
    int tensors = 0;
    for (int i = 0; i < wg_state_count(state); i++)
        if (wg_state_tensor_at(state, i)) {
            only = wg_state_tensor_at(state, i);
            tensors++;
        }
    if (tensors != 1)
        return wg_error_set(err, WG_EINVAL, "%s: a .npy file holds one tensor, not %d", path,
                            tensors);
    char header[WG__NPY_MAX_HEADER];
    size_t size = wg__npy_write(only, header);
    wg_atomic *file;
    wg_status status = wg_atomic_open(path, &file, err);
    if (status != WG_OK) return status;
    status = wg_atomic_write(file, header, size, err);
    if (status == WG_OK)
        status = wg_atomic_write(file, wg_tensor_cdata(only), wg_tensor_bytes(only), err);
    if (status == WG_OK) return wg_atomic_commit(file, err);
    wg_atomic_abort(file);
    return status;
}

wg_status wg_tensorfile_save(const char *path, wg_file_format format, const wg_state *state,
                             wg_error *err)
{
    switch (format) {
    case WG_FILE_NPZ: return wg_state_save(path, state, NULL, err);
    case WG_FILE_NPY: return save_npy(path, state, err);
    case WG_FILE_SAFETENSORS: return wg_safetensors_save(path, state, err);
    }
    return wg_error_set(err, WG_EINVAL, "%s: unknown format", path);
}
