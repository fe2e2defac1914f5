/* JSON lines: one object a measurement, with the limits of the machine beside each figure. */
#include "bench.h"

#include <math.h>
#include <stdio.h>

#include <wengert/parallel.h>
#include <wengert/version.h>

void bench_number(cJSON *line, const char *name, double value, int digits)
{
    double unit = pow(10, digits);
    cJSON_AddNumberToObject(line, name, round(value * unit) / unit);
}

cJSON *bench_line(const char *peer, const char *what, int threads)
{
    char name[160];
    cJSON *line = cJSON_CreateObject();
    snprintf(name, sizeof name, "wengert %s%s%s", wg_version(), peer ? " " : "", peer ? peer : "");
    cJSON_AddStringToObject(line, "peer", name);
    cJSON_AddStringToObject(line, "commit", wg_commit());
    cJSON_AddStringToObject(line, "config", what);
    cJSON_AddNumberToObject(line, "threads", threads);
    cJSON_AddStringToObject(line, "isa", wg_isa_name(wg_isa_best()));
    return line;
}

void bench_flops(cJSON *line, double flops, double seconds, int threads)
{
    double rate = flops / seconds * 1e-9;
    bench_number(line, "gflops", rate, 3);
    bench_number(line, "share_of_peak", rate / (bench_peak() * threads), 4);
}

void bench_bytes(cJSON *line, double bytes, double seconds, int threads)
{
    double rate = bytes / seconds * 1e-9;
    bench_number(line, "gb_per_s", rate, 3);
    bench_number(line, "share_of_bandwidth", rate / bench_bandwidth(threads), 4);
}

wg_status bench_print(cJSON *line, wg_error *err)
{
    cJSON *threads = cJSON_GetObjectItemCaseSensitive(line, "threads");
    bench_number(line, "peak_gflops_a_core", bench_peak(), 1);
    bench_number(line, "read_gb_per_s", bench_bandwidth(threads ? threads->valueint : 1), 2);
    char *text = cJSON_PrintUnformatted(line);
    cJSON_Delete(line);
    if (!text) return wg_error_set(err, WG_ENOMEM, "no memory for a line of JSON");
    puts(text);
    fflush(stdout);
    cJSON_free(text);
    return WG_OK;
}
