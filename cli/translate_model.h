/* The model file, for the subcommands of `translate`, and the names of files in a training's
 * directory. */
#ifndef WENGERT_CLI_TRANSLATE_MODEL_H
#define WENGERT_CLI_TRANSLATE_MODEL_H

#include <cjson/cJSON.h>
#include <wengert/translator_model.h>

#define TRANSLATE_MODEL_NAME WG_TRANSLATOR_FILE
#define TRANSLATE_LAST_NAME "last.npz"
#define TRANSLATE_LOG_NAME "log.jsonl"

typedef wg_translator_model translate_model;

#endif
