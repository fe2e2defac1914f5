/* wengert-bench hand: the step of an LSTM language model written by hand, a line a configuration.
 */
#include "bench_model.h"
#include "hand_lstm.h"

static wg_status one(const bench_config *config, const bench_options *options, wg_error *err)
{
    hand_lstm *m;
    double seconds;
    wg_status status = hand_lstm_new(config, options->threads, &m, err);
    if (status) return status;
    status = bench_time(options->steps, hand_lstm_step, m, &seconds, err);
    if (!status) {
        cJSON *line = bench_line("hand-fused", config->name, options->threads);
        cJSON_AddStringToObject(line, "cell", "lstm");
        bench_number(line, "ms", seconds * 1e3, 2);
        bench_number(line, "tokens_per_s", (double)(config->B * config->T) / seconds, 0);
        bench_flops(line, bench_model_flops(config, "lstm"), seconds, options->threads);
        cJSON_AddNumberToObject(line, "steps", options->steps);
        bench_number(line, "loss", hand_lstm_loss(m), 4);
        hand_lstm_choices(m, line);
        status = bench_print(line, err);
    }
    hand_lstm_free(m);
    return status;
}

wg_status bench_hand(const bench_options *options, wg_error *err)
{
    if (options->config) return one(bench_find_config(options->config), options, err);
    wg_status status = WG_OK;
    for (int i = 0; bench_config_at(i) && !status; i++)
        status = one(bench_config_at(i), options, err);
    return status;
}
