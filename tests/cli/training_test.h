/* What tests of trainings share: reading their logs, comparing what two trainings have left, bit by
 * bit, and running the tool under faults.so. */
#ifndef WENGERT_TESTS_TRAINING_TEST_H
#define WENGERT_TESTS_TRAINING_TEST_H

#include "translate_test.h"

#include <cjson/cJSON.h>
#include <wengert/statefile.h>

#define FAULTS "LD_PRELOAD='" WGT_BUILD_DIR "/tests/faults.so' "

/* Preloading does not go together with sanitizers, and is Linux's. */
static inline bool can_preload(void)
{
    const char *sanitize = getenv("WENGERT_SANITIZE");
    return access(WGT_BUILD_DIR "/tests/faults.so", R_OK) == 0 && !(sanitize && *sanitize);
}

/* Thousands of saves, each flushed to the disk twice, take their time: where there is a file system
 * in memory, and TMPDIR names no other, they go there. */
static inline int set_up_in_memory(void **state)
{
    if (!getenv("TMPDIR") && access("/dev/shm", W_OK | X_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
    return set_up_translate(state);
}

static inline wg_state *load_state(const char *name)
{
    char path[4096];
    wg_error why;
    wg_state *state;
    path_of(path, sizeof path, name);
    WGT_OK(wg_state_load(path, &state, &why), &why);
    return state;
}

static inline cJSON *json_of(const wg_state *state, const char *member)
{
    size_t length;
    const char *text = wg_state_text(state, member, &length);
    assert_non_null(text);
    cJSON *object = cJSON_ParseWithLength(text, length);
    assert_non_null(object);
    return object;
}

static inline double number_in(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

/* A figure of progress/state.json in a last.npz. */
static inline double progress_in(const char *file, const char *key)
{
    wg_state *state = load_state(file);
    cJSON *object = json_of(state, "progress/state.json");
    double value = number_in(object, key);
    cJSON_Delete(object);
    wg_state_free(state);
    return value;
}

/* The last event of a kind in a log. */
static inline cJSON *last_event(const char *log, const char *kind)
{
    char *text = slurp(log, NULL), *rest = NULL;
    cJSON *found = NULL;
    assert_non_null(text);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        cJSON *event = cJSON_Parse(line);
        assert_non_null(event);
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(event, "event");
        assert_true(cJSON_IsString(name));
        if (strcmp(name->valuestring, kind) == 0) {
            cJSON_Delete(found);
            found = event;
        } else {
            cJSON_Delete(event);
        }
    }
    free(text);
    return found;
}

/* A number of that event. */
static inline double last_number(const char *log, const char *kind, const char *key)
{
    cJSON *event = last_event(log, kind);
    double value = number_in(event, key);
    cJSON_Delete(event);
    return value;
}

/* The members of an object but those that tell time and place, as text. */
static inline char *without_clock(cJSON *object)
{
    static const char *const keys[] = {
        "seconds",       "epoch_seconds",     "report_seconds", "log_bytes", "tokens_per_s",
        "valid_seconds", "programs_compiled", "programs_held",  "options",   "provenance"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(object, keys[i]);
    char *text = cJSON_PrintUnformatted(object);
    assert_non_null(text);
    return text;
}

static inline void assert_same_text(const wg_state *a, const wg_state *b, const char *name)
{
    size_t length;
    const char *text = wg_state_text(a, name, &length);
    if (strstr(name, ".json")) {
        cJSON *x = json_of(a, name), *y = json_of(b, name);
        char *one = without_clock(x), *other = without_clock(y);
        assert_string_equal(one, other);
        cJSON_free(one);
        cJSON_free(other);
        cJSON_Delete(x);
        cJSON_Delete(y);
    } else {
        assert_string_equal(text, wg_state_text(b, name, &length));
    }
}

/* Do two files hold the same tensors? */
static inline void assert_same_tensors(const char *a, const char *b)
{
    wg_state *x = load_state(a), *y = load_state(b);
    int tensors = 0;
    assert_int_equal(wg_state_count(x), wg_state_count(y));
    for (int i = 0; i < wg_state_count(x); i++) {
        const char *name = wg_state_name(x, i);
        const wg_tensor *mine = wg_state_tensor_at(x, i), *other = wg_state_tensor(y, name);
        if (!mine) continue;
        assert_non_null(other);
        assert_int_equal(wg_tensor_bytes(mine), wg_tensor_bytes(other));
        if (memcmp(wg_tensor_cdata(mine), wg_tensor_cdata(other), wg_tensor_bytes(mine)) != 0)
            fail_msg("%s and %s differ in '%s'", a, b, name);
        tensors++;
    }
    assert_true(tensors > 10);
    wg_state_free(x);
    wg_state_free(y);
}

/* The same tensors, and the same texts but for clocks and options? */
static inline void assert_same_state(const char *a, const char *b)
{
    wg_state *x = load_state(a), *y = load_state(b);
    assert_same_tensors(a, b);
    for (int i = 0; i < wg_state_count(x); i++)
        if (!wg_state_tensor_at(x, i)) assert_same_text(x, y, wg_state_name(x, i));
    wg_state_free(x);
    wg_state_free(y);
}

/* The reports and epochs of a log, without clocks, one a line. */
static inline char *curve_of(const char *log)
{
    char *text = slurp(log, NULL), *rest = text, *line;
    assert_non_null(text);
    char *curve = calloc(1, strlen(text) + 1);
    assert_non_null(curve);
    while ((line = strsep(&rest, "\n"))) {
        if (!strstr(line, "\"event\": \"report\"") && !strstr(line, "\"event\": \"epoch\""))
            continue;
        cJSON *object = cJSON_Parse(line);
        assert_non_null(object);
        char *kept = without_clock(object);
        strcat(strcat(curve, kept), "\n");
        cJSON_free(kept);
        cJSON_Delete(object);
    }
    free(text);
    return curve;
}

/* Did two trainings come to the same end by the same way? */
static inline void assert_same_training(const char *a, const char *b)
{
    static const char *const files[] = {"last.npz", "model.npz", "log.jsonl"};
    for (int i = 0; i < 3; i++) {
        char x[512], y[512];
        snprintf(x, sizeof x, "%s/%s", a, files[i]);
        snprintf(y, sizeof y, "%s/%s", b, files[i]);
        if (i < 2) {
            assert_same_state(x, y);
            continue;
        }
        char *one = curve_of(x), *other = curve_of(y);
        assert_true(strlen(one) > 0);
        assert_string_equal(one, other);
        free(one);
        free(other);
    }
}

#endif
