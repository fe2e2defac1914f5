/* A program of somebody else's: the gradient of sum(x * x) at (1, 2, 3), which is (2, 4, 6). */
#include <stdio.h>
#include <string.h>
#include <wengert.h>

int main(void)
{
    double data[] = {1, 2, 3};
    wg_error err = {WG_OK, ""};
    wg_tape *tape = NULL;
    wg_tensor *x = NULL, *gradient = NULL;
    wg_status status = wg_tape_new(&tape, &err);
    if (!status) status = wg_tensor_wrap(WG_F64, WG_SHAPE(3), data, &x, &err);
    if (!status) status = wg_tensor_new(WG_F64, WG_SHAPE(3), &gradient, &err);
    if (!status) {
        wg_var v = wg_tensor_var(tape, x), y = wg_sum_all(wg_mul(v, v)), g;
        status = wg_grad(&y, NULL, 1, &v, 1, &g);
        if (!status) status = wg_eval(&g, 1, &gradient, &err);
    }
    if (status) {
        fprintf(stderr, "%s: %s\n", wg_strerror(status), err.message);
        return 1;
    }
    int right = 1;
    for (int i = 0; i < 3; i++) right &= wg_tensor_get(gradient, i) == 2 * data[i];
    wg_tensor_free(gradient);
    wg_tensor_free(x);
    wg_tape_free(tape);
    return !right || strcmp(wg_version(), WENGERT_VERSION) != 0;
}
