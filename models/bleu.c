/* BLEU: accumulating segments and scoring them, in sacreBLEU's order of operations. */
#include <wengert/bleu.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/version.h>

#include "bleu_ngrams.h"
#include "bleu_tokenize.h"

struct wg_bleu {
    wg_bleu_options options;
    wg__bleu_scratch scratch;
    wg__bleu_ngrams ngrams;
    int64_t counts[WG_BLEU_MAX_ORDER], totals[WG_BLEU_MAX_ORDER];
    int64_t sys_len, ref_len, segments;
    size_t nrefs; /* of the first segment */
    bool nrefs_vary;
};

static const char *const tokenizer_names[] = {"13a", "none", "char"};
static const char *const smooth_names[] = {"exp", "none", "floor", "add-k"};
static const double smooth_defaults[] = {0, 0, 0.1, 1};

wg_status wg_bleu_new(const wg_bleu_options *options, wg_bleu **out, wg_error *err)
{
    static const wg_bleu_options defaults = WG_BLEU_OPTIONS_INIT;
    wg_bleu *bleu;

    if (!out) return wg_error_set(err, WG_EINVAL, "wg_bleu_new: out is NULL");
    *out = NULL;
    if (!options) options = &defaults;
    if (options->size != sizeof *options)
        return wg_error_set(err, WG_EINVAL, "wg_bleu_new: options->size is %zu, expected %zu",
                            options->size, sizeof *options);
    if ((unsigned)options->tokenizer > WG_BLEU_TOKENIZE_CHAR)
        return wg_error_set(err, WG_EINVAL, "wg_bleu_new: there is no tokenizer %d",
                            (int)options->tokenizer);
    if ((unsigned)options->smooth > WG_BLEU_SMOOTH_ADD_K)
        return wg_error_set(err, WG_EINVAL, "wg_bleu_new: there is no smoothing %d",
                            (int)options->smooth);
    if (!(options->smooth_value >= 0 && options->smooth_value <= 1e6))
        return wg_error_set(err, WG_EINVAL, "wg_bleu_new: smooth_value is not in [0, 1000000]");
    bleu = wg_calloc(1, sizeof *bleu);
    if (!bleu) return wg_error_set(err, WG_ENOMEM, "wg_bleu_new: out of memory");
    bleu->options = *options;
    if (bleu->options.smooth_value == 0)
        bleu->options.smooth_value = smooth_defaults[options->smooth];
    *out = bleu;
    return WG_OK;
}

void wg_bleu_free(wg_bleu *bleu)
{
    if (!bleu) return;
    wg__bleu_scratch_free(&bleu->scratch);
    wg__bleu_ngrams_free(&bleu->ngrams);
    wg_free(bleu);
}

/* Explains what was wrong with one text of a segment; `ref` is its number, 0 for the hypothesis. */
static wg_status text_error(const wg_bleu *bleu, wg_error *err, wg_status status, size_t ref,
                            size_t bad)
{
    char which[64];

    if (ref == 0)
        snprintf(which, sizeof which, "segment %lld, hypothesis", (long long)bleu->segments + 1);
    else
        snprintf(which, sizeof which, "segment %lld, reference %zu", (long long)bleu->segments + 1,
                 ref);
    if (status == WG_EFORMAT)
        return wg_error_set(err, status, "%s: invalid UTF-8 at byte %zu", which, bad + 1);
    if (status == WG_ELIMIT) return wg_error_set(err, status, "%s: more than 2^30 tokens", which);
    return wg_error_set(err, status, "%s: %s", which, wg_strerror(status));
}

wg_status wg_bleu_add(wg_bleu *bleu, wg_bleu_text hyp, const wg_bleu_text *refs, size_t nrefs,
                      wg_error *err)
{
    int64_t counts[WG_BLEU_MAX_ORDER], totals[WG_BLEU_MAX_ORDER];
    size_t length, bad = 0, closest = 0, closest_off = SIZE_MAX;
    wg_bleu_text text;
    wg_status status;
    bool chars;

    if (!bleu || !refs || nrefs == 0)
        return wg_error_set(err, WG_EINVAL, "wg_bleu_add: a segment needs at least one reference");
    if (!hyp.data && hyp.size)
        return wg_error_set(err, WG_EINVAL, "wg_bleu_add: the hypothesis is NULL");
    for (size_t i = 0; i < nrefs; i++) {
        if (!refs[i].data && refs[i].size)
            return wg_error_set(err, WG_EINVAL, "wg_bleu_add: reference %zu is NULL", i + 1);
    }
    chars = bleu->options.tokenizer == WG_BLEU_TOKENIZE_CHAR;
    status = wg__bleu_tokenize(&bleu->scratch, bleu->options.tokenizer, bleu->options.lowercase,
                               hyp, &text, &bad);
    if (status == WG_OK) status = wg__bleu_ngrams_hyp(&bleu->ngrams, text, chars, &length, totals);
    if (status != WG_OK) return text_error(bleu, err, status, 0, bad);
    for (size_t i = 0; i < nrefs; i++) {
        size_t ref_length = 0, off;

        status = wg__bleu_tokenize(&bleu->scratch, bleu->options.tokenizer, bleu->options.lowercase,
                                   refs[i], &text, &bad);
        if (status == WG_OK) status = wg__bleu_ngrams_ref(&bleu->ngrams, text, chars, &ref_length);
        if (status != WG_OK) return text_error(bleu, err, status, i + 1, bad);
        off = ref_length > length ? ref_length - length : length - ref_length;
        if (off < closest_off || (off == closest_off && ref_length < closest)) {
            closest_off = off;
            closest = ref_length;
        }
    }
    wg__bleu_ngrams_matches(&bleu->ngrams, counts);
    for (int n = 0; n < WG_BLEU_MAX_ORDER; n++) {
        bleu->counts[n] += counts[n];
        bleu->totals[n] += totals[n];
    }
    bleu->sys_len += (int64_t)length;
    bleu->ref_len += (int64_t)closest;
    if (bleu->segments == 0) bleu->nrefs = nrefs;
    if (nrefs != bleu->nrefs) bleu->nrefs_vary = true;
    bleu->segments++;
    return WG_OK;
}

/* snprintf of a number with decimals, without the locale's decimal point. */
static void format_fixed(char *text, size_t size, int decimals, double value)
{
    char raw[64];
    size_t out = 0;
    bool point = false;

    snprintf(raw, sizeof raw, "%.*f", decimals, value);
    for (const char *c = raw; *c && out + 1 < size; c++) {
        if ((*c >= '0' && *c <= '9') || *c == '-') {
            text[out++] = *c;
        } else if (!point) { /* a decimal point may be several bytes long */
            text[out++] = '.';
            point = true;
        }
    }
    text[out] = '\0';
}

static void write_signature(const wg_bleu *bleu, char *text, size_t size)
{
    const wg_bleu_options *o = &bleu->options;
    char nrefs[24] = "var", value[32] = "", number[24];

    if (!bleu->nrefs_vary) snprintf(nrefs, sizeof nrefs, "%zu", bleu->nrefs);
    if (o->smooth == WG_BLEU_SMOOTH_FLOOR || o->smooth == WG_BLEU_SMOOTH_ADD_K) {
        format_fixed(number, sizeof number, 2, o->smooth_value);
        snprintf(value, sizeof value, "[%s]", number);
    }
    snprintf(text, size, "nrefs:%s|case:%s|eff:%s|tok:%s|smooth:%s%s|version:wengert-%s", nrefs,
             o->lowercase ? "lc" : "mixed", o->effective_order ? "yes" : "no",
             tokenizer_names[o->tokenizer], smooth_names[o->smooth], value, wg_version());
}

/* The precisions after smoothing and their geometric mean, as sacreBLEU's compute_bleu. */
static void compute(const wg_bleu_options *options, wg_bleu_result *result)
{
    double smooth = 1, sum = 0;
    int orders = WG_BLEU_MAX_ORDER;

    for (int n = 0; n < WG_BLEU_MAX_ORDER; n++) {
        double count = (double)result->counts[n], total = (double)result->totals[n];

        if (options->smooth == WG_BLEU_SMOOTH_ADD_K && n > 0) {
            count += options->smooth_value;
            total += options->smooth_value;
        }
        if (total == 0) break;
        if (options->effective_order) orders = n + 1;
        if (count > 0) {
            result->precisions[n] = 100 * count / total;
        } else if (options->smooth == WG_BLEU_SMOOTH_EXP) {
            smooth *= 2;
            result->precisions[n] = 100 / (smooth * total);
        } else if (options->smooth == WG_BLEU_SMOOTH_FLOOR) {
            result->precisions[n] = 100 * options->smooth_value / total;
        }
    }
    for (int n = 0; n < orders; n++) {
        if (result->precisions[n] == 0) return; /* the mean is zero */
        sum += log(result->precisions[n]);
    }
    result->score = result->brevity_penalty * exp(sum / orders);
}

wg_status wg_bleu_score(const wg_bleu *bleu, wg_bleu_result *result, wg_error *err)
{
    bool any = false;

    if (!bleu || !result) return wg_error_set(err, WG_EINVAL, "wg_bleu_score: a NULL argument");
    if (bleu->segments == 0)
        return wg_error_set(err, WG_ESTATE, "wg_bleu_score: no segment has been added");
    memset(result, 0, sizeof *result);
    for (int n = 0; n < WG_BLEU_MAX_ORDER; n++) {
        result->counts[n] = bleu->counts[n];
        result->totals[n] = bleu->totals[n];
        if (bleu->counts[n] > 0) any = true;
    }
    result->sys_len = bleu->sys_len;
    result->ref_len = bleu->ref_len;
    result->segments = bleu->segments;
    result->brevity_penalty = 1;
    if (bleu->sys_len == 0 && bleu->ref_len > 0)
        result->brevity_penalty = 0;
    else if (bleu->sys_len < bleu->ref_len)
        result->brevity_penalty = exp(1 - (double)bleu->ref_len / (double)bleu->sys_len);
    write_signature(bleu, result->signature, sizeof result->signature);
    if (any) compute(&bleu->options, result);
    return WG_OK;
}

wg_status wg_bleu_sentence(const wg_bleu_options *options, wg_bleu_text hyp,
                           const wg_bleu_text *refs, size_t nrefs, wg_bleu_result *result,
                           wg_error *err)
{
    wg_bleu *bleu;
    wg_status status = wg_bleu_new(options, &bleu, err);

    if (status == WG_OK) status = wg_bleu_add(bleu, hyp, refs, nrefs, err);
    if (status == WG_OK) status = wg_bleu_score(bleu, result, err);
    wg_bleu_free(bleu);
    return status;
}

size_t wg_bleu_format(const wg_bleu_result *result, char *text, size_t size)
{
    char score[24], p[WG_BLEU_MAX_ORDER][24], penalty[24], ratio[24];
    int n;

    format_fixed(score, sizeof score, 2, result->score);
    for (int i = 0; i < WG_BLEU_MAX_ORDER; i++)
        format_fixed(p[i], sizeof p[i], 1, result->precisions[i]);
    format_fixed(penalty, sizeof penalty, 3, result->brevity_penalty);
    format_fixed(ratio, sizeof ratio, 3,
                 result->ref_len ? (double)result->sys_len / (double)result->ref_len : 0);
    n = snprintf(text, size,
                 "BLEU = %s %s/%s/%s/%s (BP = %s ratio = %s hyp_len = %lld ref_len = %lld)", score,
                 p[0], p[1], p[2], p[3], penalty, ratio, (long long)result->sys_len,
                 (long long)result->ref_len);
    return n < 0 ? 0 : (size_t)n;
}
