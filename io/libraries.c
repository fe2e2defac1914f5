/* Versions of the libraries underneath, asked of the libraries themselves: what is loaded counts,
 * not what the headers said when this was compiled. */
#include <wengert/libraries.h>

#include <cblas.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>
#include <uv.h>
#include <zlib.h>

#ifdef WG_HAVE_ONEDNN
#include <dnnl.h>
#endif

static void add(wg_library *out, size_t max, size_t *n, const char *name, const char *version)
{
    if (*n < max) {
        snprintf(out[*n].name, sizeof out[*n].name, "%s", name);
        snprintf(out[*n].version, sizeof out[*n].version, "%s", version);
    }
    ++*n;
}

size_t wg_libraries(wg_library *out, size_t max)
{
    size_t n = 0;
    char text[32];
#ifdef WG_HAVE_ONEDNN
    const dnnl_version_t *dnnl = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", dnnl->major, dnnl->minor, dnnl->patch);
    add(out, max, &n, "oneDNN", text);
#endif
    /* "OpenBLAS 0.3.21 DYNAMIC_ARCH ...": the second word. */
    const char *config = openblas_get_config();
    config += strcspn(config, " ");
    config += strspn(config, " ");
    snprintf(text, sizeof text, "%.*s", (int)strcspn(config, " "), config);
    add(out, max, &n, "OpenBLAS", text);
    add(out, max, &n, "zlib", zlibVersion());
    add(out, max, &n, "libuv", uv_version_string());
    add(out, max, &n, "utf8proc", utf8proc_version());
    add(out, max, &n, "cJSON", cJSON_Version());
    return n;
}
