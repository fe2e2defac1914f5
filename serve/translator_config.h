/* Configurations as JSON and back: the network's, and how its text was brought to one form. */
#ifndef WENGERT_SERVE_TRANSLATOR_CONFIG_H
#define WENGERT_SERVE_TRANSLATOR_CONFIG_H

#include <cjson/cJSON.h>
#include <wengert/translator_model.h>

/* NULL: out of memory. */
cJSON *wg__translator_config_json(const wg_seq2seq_config *config);
/* Strings of *config and its `hypers`, which the caller frees, point into the object. */
wg_status wg__translator_config_parse(const cJSON *object, const char *path,
                                      wg_seq2seq_config *config, wg_hyper_value **hypers,
                                      wg_error *err);

/* Members of the object `text`. False: out of memory. */
bool wg__translator_text_json(wg_translator_text form, cJSON *text);
wg_translator_text wg__translator_text_parse(const cJSON *text);
/* The lowest format_version that knows what a model needs. */
int wg__translator_format(wg_translator_text form, bool subwords, bool raw);

#endif
