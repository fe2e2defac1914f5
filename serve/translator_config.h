/* The network's configuration as JSON and back. */
#ifndef WENGERT_SERVE_TRANSLATOR_CONFIG_H
#define WENGERT_SERVE_TRANSLATOR_CONFIG_H

#include <cjson/cJSON.h>
#include <wengert/seq2seq.h>

/* NULL: out of memory. */
cJSON *wg__translator_config_json(const wg_seq2seq_config *config);
/* Strings of *config and its `hypers`, which the caller frees, point into the object. */
wg_status wg__translator_config_parse(const cJSON *object, const char *path,
                                      wg_seq2seq_config *config, wg_hyper_value **hypers,
                                      wg_error *err);

#endif
