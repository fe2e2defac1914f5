/* What a load found, and options common to loads and saves. */
#include <inttypes.h>
#include <string.h>

#include <wengert/memory.h>

#include "checkpoint_private.h"

typedef struct list {
    char **names, **details; /* a detail may be NULL */
    size_t count, capacity;
} list;

struct wg_load_report {
    list of[WG_LOAD_OUTCOMES];
};

wg_load_report *wg__report_new(void)
{
    return wg_calloc(1, sizeof(wg_load_report));
}

void wg_load_report_free(wg_load_report *report)
{
    if (!report) return;
    for (int k = 0; k < WG_LOAD_OUTCOMES; k++) {
        list *l = &report->of[k];
        for (size_t i = 0; i < l->count; i++) {
            wg_free(l->names[i]);
            wg_free(l->details[i]);
        }
        wg_free(l->names);
        wg_free(l->details);
    }
    wg_free(report);
}

bool wg__report_add(wg_load_report *report, wg_load_outcome outcome, const char *name,
                    const char *detail)
{
    list *l = &report->of[outcome];
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 16;
        char **names = wg_reallocarray(l->names, capacity, sizeof *names);
        if (!names) return false;
        l->names = names;
        char **details = wg_reallocarray(l->details, capacity, sizeof *details);
        if (!details) return false;
        l->details = details;
        l->capacity = capacity;
    }
    char *copy = wg_strdup(name), *why = detail ? wg_strdup(detail) : NULL;
    if (!copy || (detail && !why)) {
        wg_free(copy);
        wg_free(why);
        return false;
    }
    l->names[l->count] = copy;
    l->details[l->count++] = why;
    return true;
}

static const list *list_of(const wg_load_report *report, wg_load_outcome outcome)
{
    return report && (unsigned)outcome < WG_LOAD_OUTCOMES ? &report->of[outcome] : NULL;
}

int64_t wg_load_report_count(const wg_load_report *report, wg_load_outcome outcome)
{
    const list *l = list_of(report, outcome);
    return l ? (int64_t)l->count : 0;
}

const char *wg_load_report_name(const wg_load_report *report, wg_load_outcome outcome, int64_t i)
{
    const list *l = list_of(report, outcome);
    return l && i >= 0 && (size_t)i < l->count ? l->names[i] : NULL;
}

const char *wg_load_report_detail(const wg_load_report *report, wg_load_outcome outcome, int64_t i)
{
    const list *l = list_of(report, outcome);
    return l && i >= 0 && (size_t)i < l->count && l->details[i] ? l->details[i] : "";
}

wg_status wg__report_judge(const wg_load_report *r, unsigned flags, const char *path, wg_error *err)
{
    const list *missing = &r->of[WG_LOAD_MISSING], *unexpected = &r->of[WG_LOAD_UNEXPECTED],
               *mismatched = &r->of[WG_LOAD_MISMATCHED];
    if (mismatched->count && !(flags & WG_LOAD_MAY_MISMATCH))
        return wg_error_set(err, WG_ESHAPE, "%s: tensor '%s': %s (%zu such in all)", path,
                            mismatched->names[0], mismatched->details[0], mismatched->count);
    if (missing->count && !(flags & WG_LOAD_MAY_MISS))
        return wg_error_set(err, WG_ENOTFOUND, "%s: has no tensor '%s' (%zu missing in all)", path,
                            missing->names[0], missing->count);
    if (unexpected->count && !(flags & WG_LOAD_MAY_IGNORE))
        return wg_error_set(err, WG_ENOTFOUND,
                            "%s: tensor '%s' has no place to go (%zu unexpected in all)", path,
                            unexpected->names[0], unexpected->count);
    return WG_OK;
}

wg_status wg__checkpoint_defaults(wg_checkpoint_options *o, wg_npz_options *npz,
                                  const wg_checkpoint_options *given, const char *path,
                                  wg_error *err)
{
    *o = (wg_checkpoint_options){.size = sizeof *o};
    if (given) memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    o->size = sizeof *o;
    wg__npz_defaults(npz, o->npz);
    o->npz = NULL;
    o->threads = wg__thread_count(o->threads);
    if (!o->memory) o->memory = (size_t)64 << 20;
    if (!path || !*path) return wg_error_set(err, WG_EINVAL, "file name is empty");
    if (o->flags & ~(unsigned)WG_LOAD_PARTIAL)
        return wg_error_set(err, WG_EINVAL, "%s: unknown flags 0x%x", path, o->flags);
    if (o->file_prefix || o->target_prefix) {
        if (!o->file_prefix) o->file_prefix = "";
        if (!o->target_prefix) o->target_prefix = "";
        if (strlen(o->file_prefix) > WG__ZIP_MAX_NAME ||
            strlen(o->target_prefix) > WG__ZIP_MAX_NAME)
            return wg_error_set(err, WG_EINVAL, "%s: prefix too long", path);
    }
    return WG_OK;
}
