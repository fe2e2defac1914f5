/* Checks that say what differed before they fail the test. */
#include "support.h"

#include <math.h>
#include <string.h>

/* _fail of cmocka reports the caller's place instead of this file's. */
#define FAIL_AT(file, line) _fail((file), (line))

void wgt_check_ok(wg_status status, const char *text, const wg_error *err, const char *file,
                  int line)
{
    wgt_check_status(status, WG_OK, text, err, file, line);
}

void wgt_check_status(wg_status status, wg_status wanted, const char *text, const wg_error *err,
                      const char *file, int line)
{
    if (status == wanted) return;
    print_error("%s: %s, wanted %s\n", text, wg_status_name(status), wg_status_name(wanted));
    if (err && status != WG_OK) print_error("  message: %.1023s\n", err->message);
    FAIL_AT(file, line);
}

void wgt_check_near(double a, double b, double tol, const char *a_text, const char *b_text,
                    const char *file, int line)
{
    if (a == b || fabs(a - b) <= tol) return;
    print_error("%s = %.17g, %s = %.17g: differ by %.3g, more than %.3g\n", a_text, a, b_text, b,
                fabs(a - b), tol);
    FAIL_AT(file, line);
}

void wgt_check_close(double a, double b, double rtol, double atol, const char *a_text,
                     const char *b_text, const char *file, int line)
{
    /* An infinite b would make any tolerance infinite. */
    double tol = isfinite(b) ? atol + rtol * fabs(b) : 0.0;
    wgt_check_near(a, b, tol, a_text, b_text, file, line);
}

void wgt_count_programs(void *count, const char *pass, const char *text)
{
    int *n = count;
    *n += strcmp(pass, "plan") == 0 && strstr(text, "MB of buffers") != NULL;
}
