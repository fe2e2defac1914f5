/* Configuration files (--config) and their inverse (--dump-config): one flat JSON object whose keys
 * are option names with '_' for '-'. */
#include "internal.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST (16u << 20)      /* bytes; a configuration is a page of text */
#define EXACT 9007199254740992.0 /* 2^53: beyond it a JSON number is not an exact integer */

const char *cli_key(const char *option_name, char *buf, size_t size)
{
    snprintf(buf, size, "%s", option_name);
    for (char *c = buf; *c; c++)
        if (*c == '-') *c = '_';
    return buf;
}

/* These steer the reading itself, so they are no keys. */
static bool is_key(const cli_option *o)
{
    return strcmp(o->name, "config") != 0 && strcmp(o->name, "dump-config") != 0 &&
           strcmp(o->name, "help") != 0;
}

static char *read_file(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        cli_error("cannot open configuration '%s': %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    size_t used = 0, room = 0;
    for (;;) {
        if (used == room) {
            room = room ? 2 * room : 4096;
            char *more = room <= LARGEST ? realloc(text, room) : NULL;
            if (!more) {
                if (room > LARGEST)
                    cli_error("configuration '%s' is larger than %u MiB", path, LARGEST >> 20);
                else
                    cli_error("%s", wg_strerror(WG_ENOMEM));
                goto fail;
            }
            text = more;
        }
        errno = 0;
        size_t got = fread(text + used, 1, room - used, file);
        used += got;
        if (ferror(file)) {
            cli_error("cannot read configuration '%s': %s", path, strerror(errno));
            goto fail;
        }
        if (got == 0) break;
    }
    fclose(file);
    *n = used;
    return text;
fail:
    free(text);
    fclose(file);
    return NULL;
}

static const char *kind_of(const cJSON *item)
{
    if (cJSON_IsBool(item)) return "a truth value";
    if (cJSON_IsNumber(item)) return "a number";
    if (cJSON_IsString(item)) return "a string";
    if (cJSON_IsArray(item)) return "an array";
    return "an object";
}

static const char *wanted(cli_kind kind)
{
    switch (kind) {
    case CLI_FLAG: return "true or false";
    case CLI_INT: return "an integer";
    case CLI_FLOAT: return "a number";
    case CLI_STRINGS:
    case CLI_PATHS: return "an array of strings";
    default: return "a string";
    }
}

/* The text that the user would have typed for this item, in buf when it is a number; NULL when the
 * item is of another kind than the option. */
static const char *as_text(const cli_option *o, const cJSON *item, char *buf, size_t size)
{
    double x = item->valuedouble;
    switch (o->kind) {
    case CLI_FLAG: return cJSON_IsBool(item) ? cJSON_IsTrue(item) ? "true" : "false" : NULL;
    case CLI_INT:
        if (cJSON_IsString(item))
            return item->valuestring; /* how --dump-config writes large ones */
        if (!cJSON_IsNumber(item) || x < -EXACT || x > EXACT || x != (double)(int64_t)x)
            return NULL;
        snprintf(buf, size, "%" PRId64, (int64_t)x);
        return buf;
    case CLI_FLOAT:
        if (!cJSON_IsNumber(item)) return NULL;
        snprintf(buf, size, "%.17g", x);
        return buf;
    default: return cJSON_IsString(item) ? item->valuestring : NULL;
    }
}

static cli_outcome take(cli_args *args, const char *path, const cJSON *item)
{
    cli_nearest near = {0};
    char key[80], hint[128], where[512], number[40];
    for (size_t i = 0; i < args->n_options; i++) {
        const cli_option *o = args->options[i];
        if (!is_key(o)) continue;
        cli_key(o->name, key, sizeof key);
        if (strcmp(key, item->string) != 0) {
            /* `key` is overwritten: the hint spells the option's own name with '_' afterwards. */
            char typed[80];
            snprintf(typed, sizeof typed, "%s", item->string);
            for (char *c = typed; *c; c++)
                if (*c == '_') *c = '-';
            cli_nearest_try(&near, typed, o->name);
            continue;
        }
        snprintf(where, sizeof where, "%s: key '%s'", path, key);
        bool list = cli_is_list(o->kind);
        if (list != cJSON_IsArray(item)) goto wrong;
        /* Checked even when the command line has the last word: a wrong file should be known. */
        cli_value value = {.source = CLI_FROM_FILE, .set = list};
        for (const cJSON *one = list ? item->child : item; one; one = list ? one->next : NULL) {
            const char *text = as_text(o, one, number, sizeof number);
            if (!text) {
                cli_value_clear(&value);
                goto wrong;
            }
            if (cli_value_set(o, &value, text, CLI_FROM_FILE, where) != CLI_PARSED) {
                cli_value_clear(&value);
                return CLI_PARSE_FAILED;
            }
        }
        if (args->values[i].source == CLI_FROM_COMMAND_LINE) {
            cli_value_clear(&value);
        } else {
            cli_value_clear(&args->values[i]);
            args->values[i] = value;
        }
        return CLI_PARSED;
    wrong:
        cli_error("%s: must be %s, not %s", where, wanted(o->kind),
                  o->kind == CLI_INT && cJSON_IsNumber(item) ? "a number that is not exact"
                                                             : kind_of(item));
        return CLI_PARSE_FAILED;
    }
    char best[80] = "";
    if (near.best) near.best = cli_key(near.best, best, sizeof best);
    cli_error("%s: unknown key '%s'%s", path, item->string,
              cli_nearest_text(&near, "", hint, sizeof hint));
    return CLI_PARSE_FAILED;
}

static size_t line_of(const char *text, const char *at)
{
    size_t line = 1;
    for (; text < at; text++) line += *text == '\n';
    return line;
}

cli_outcome cli_config_load(cli_args *args, const char *path)
{
    size_t n = 0;
    char *text = read_file(path, &n);
    if (!text) return CLI_PARSE_FAILED;
    cli_outcome outcome = CLI_PARSE_FAILED;
    const char *end = text;
    cJSON *root = cJSON_ParseWithLengthOpts(text, n, &end, 0);
    /* cJSON's own check for trailing text wants a NUL, which a file does not have. */
    const char *stop = text + n;
    if (root)
        while (end < stop && strchr(" \t\r\n", *end) && *end) end++;
    if (!root || end < stop) {
        cli_error("%s:%zu: not valid JSON", path, line_of(text, end < stop ? end : stop));
        goto out;
    }
    if (!cJSON_IsObject(root)) {
        cli_error("%s: must hold a JSON object, not %s", path, kind_of(root));
        goto out;
    }
    for (const cJSON *item = root->child; item; item = item->next) {
        for (const cJSON *before = root->child; before != item; before = before->next) {
            if (strcmp(before->string, item->string) != 0) continue;
            cli_error("%s: key '%s' stands there twice", path, item->string);
            goto out;
        }
        /* null: as if the key were absent, so that what --dump-config writes can be read. */
        if (!cJSON_IsNull(item) && take(args, path, item) != CLI_PARSED) goto out;
    }
    outcome = CLI_PARSED;
out:
    cJSON_Delete(root);
    free(text);
    return outcome;
}

static bool add(cJSON *root, const cli_option *o, const cli_value *v)
{
    char key[80], number[32];
    cli_key(o->name, key, sizeof key);
    if (cli_is_list(o->kind)) {
        cJSON *list = cJSON_AddArrayToObject(root, key);
        for (size_t i = 0; list && i < v->n; i++) {
            cJSON *text = cJSON_CreateString(v->list[i]);
            if (!text || !cJSON_AddItemToArray(list, text)) {
                cJSON_Delete(text);
                return false;
            }
        }
        return list != NULL;
    }
    if (o->kind == CLI_FLAG) return cJSON_AddBoolToObject(root, key, v->flag) != NULL;
    if (!v->set) return cJSON_AddNullToObject(root, key) != NULL;
    switch (o->kind) {
    case CLI_INT:
        snprintf(number, sizeof number, "%" PRId64, v->integer);
        if ((double)v->integer > EXACT || (double)v->integer < -EXACT)
            return cJSON_AddStringToObject(root, key, number) != NULL;
        return cJSON_AddRawToObject(root, key, number) != NULL;
    case CLI_FLOAT: return cJSON_AddNumberToObject(root, key, v->real) != NULL;
    default: return cJSON_AddStringToObject(root, key, v->text) != NULL;
    }
}

char *cli_config_json(const cli_args *args)
{
    cJSON *root = cJSON_CreateObject();
    char *text = NULL;
    for (size_t i = 0; i < args->n_options; i++)
        if (is_key(args->options[i]) && (!root || !add(root, args->options[i], &args->values[i])))
            goto out;
    if (root) text = cJSON_Print(root);
out:
    cJSON_Delete(root);
    return text;
}
