/* Records of numbers as JSON, through cJSON. */
#include "json_numbers.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FORMAT_VERSION = 1 };

/* With 17 digits, from which the same bits are read back: cJSON itself writes 15 of them where
 * these come near enough. */
static bool put_number(cJSON *object, const char *name, double number)
{
    if (isinf(number))
        return cJSON_AddStringToObject(object, name, number > 0 ? "inf" : "-inf") != NULL;
    char raw[48], text[48];
    size_t n = 0;
    snprintf(raw, sizeof raw, "%.17g", number);
    for (const char *c = raw; *c; c++) {
        bool plain = (*c >= '0' && *c <= '9') || *c == '-' || *c == '+' || *c == 'e';
        /* Anything else is the locale's decimal point, of one byte or more. */
        if (plain || n == 0 || text[n - 1] != '.') text[n++] = plain ? *c : '.';
    }
    text[n] = '\0';
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

wg_status wg__json_save(wg_state *state, const char *name, const wg__json_field *fields, int n,
                        wg_error *err)
{
    cJSON *object = cJSON_CreateObject();
    bool ok = object && put_number(object, "format_version", FORMAT_VERSION);
    for (int i = 0; i < n && ok; i++)
        ok = fields[i].text
                 ? cJSON_AddStringToObject(object, fields[i].name, fields[i].text) != NULL
                 : put_number(object, fields[i].name, fields[i].number);
    char text[2048];
    if (ok) ok = cJSON_PrintPreallocated(object, text, (int)sizeof text, 0);
    cJSON_Delete(object);
    if (!ok) return wg_error_set(err, WG_ENOMEM, "'%s': out of memory", name);
    return wg_state_put_text(state, name, text, strlen(text), err);
}

static bool get_number(const cJSON *item, double *number)
{
    if (cJSON_IsNumber(item)) {
        *number = item->valuedouble;
        return isfinite(*number);
    }
    if (!cJSON_IsString(item)) return false;
    bool minus = strcmp(item->valuestring, "-inf") == 0;
    if (!minus && strcmp(item->valuestring, "inf") != 0) return false;
    *number = minus ? -INFINITY : INFINITY;
    return true;
}

static wg_status read_fields(const cJSON *object, const char *name, const wg__json_field *fields,
                             double *numbers, int n, wg_error *err)
{
    double version;
    if (!cJSON_IsObject(object) ||
        !get_number(cJSON_GetObjectItemCaseSensitive(object, "format_version"), &version))
        return wg_error_set(err, WG_EFORMAT, "'%s' is not a JSON object with a format_version",
                            name);
    if (version > FORMAT_VERSION)
        return wg_error_set(err, WG_EVERSION, "'%s' has format version %.0f; this library knows %d",
                            name, version, FORMAT_VERSION);
    for (int i = 0; i < n; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, fields[i].name);
        if (!fields[i].text) {
            if (!get_number(item, &numbers[i]))
                return wg_error_set(err, WG_EFORMAT, "'%s': '%s' is missing or no number", name,
                                    fields[i].name);
            continue;
        }
        const char *text = cJSON_IsString(item) ? item->valuestring : "";
        if (strcmp(text, fields[i].text) != 0)
            return wg_error_set(err, WG_EINVAL, "'%s': '%s' is '%.64s', should be '%s'", name,
                                fields[i].name, text, fields[i].text);
    }
    return WG_OK;
}

wg_status wg__json_load(const wg_state *state, const char *name, wg__json_field *fields, int n,
                        wg_error *err)
{
    double numbers[32];
    if (n > (int)(sizeof numbers / sizeof *numbers))
        return wg_error_set(err, WG_EINTERNAL, "'%s': too many fields", name);
    size_t length;
    const char *text = wg_state_text(state, name, &length);
    if (!text) return wg_error_set(err, WG_ENOTFOUND, "the state has no '%s'", name);
    cJSON *object = cJSON_ParseWithLength(text, length);
    wg_status status = read_fields(object, name, fields, numbers, n, err);
    cJSON_Delete(object);
    for (int i = 0; i < n && !status; i++)
        if (!fields[i].text) fields[i].number = numbers[i];
    return status;
}
