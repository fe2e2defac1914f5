/* Loading the library leaves the floating point environment of its host alone: denormals, NaN,
 * infinities and the rounding mode. (Linking with -ffast-math would set the flush-to-zero bits of
 * the whole process.) */
#include "support.h"

#include <dlfcn.h>
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <pthread.h>

#ifdef __SSE__
#include <xmmintrin.h>
#endif

/* The library stays loaded: OpenMP's threads live in it. */
static void *library;
static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

static void check_arithmetic(void)
{
    volatile double smallest = DBL_MIN, two = 2.0;
    volatile float smallest_f = FLT_MIN, two_f = 2.0f;
    volatile double denormal = smallest / two;
    volatile float denormal_f = smallest_f / two_f;
    assert_int_equal(fpclassify(denormal), FP_SUBNORMAL);
    assert_int_equal(fpclassify(denormal_f), FP_SUBNORMAL);
    assert_true(denormal * two == smallest); /* denormals are not read as zero either */
    assert_true(denormal_f * two_f == smallest_f);
    volatile double zero = 0.0, nan_value = zero / zero, infinite = 1.0 / zero;
    assert_true(nan_value != nan_value);
    assert_true(isnan(nan_value));
    assert_true(isinf(infinite) && infinite > DBL_MAX);
    volatile double minus_zero = -zero;
    assert_true(signbit(minus_zero));
#ifdef __SSE__
    assert_int_equal(_mm_getcsr() & 0x8040u, 0);       /* flush to zero, denormals are zero */
    assert_int_equal(_mm_getcsr() & 0x1F80u, 0x1F80u); /* no exception traps */
#endif
}

static void *in_a_thread(void *unused)
{
    (void)unused;
    check_arithmetic();
    return NULL;
}

static void loading_changes_nothing(void **state)
{
    (void)state;
    check_arithmetic();
    assert_int_equal(fegetround(), FE_TONEAREST);
    library = dlopen(WGT_BUILD_DIR "/lib/libwengert.so", RTLD_NOW | RTLD_LOCAL);
    if (!library) fail_msg("%s", dlerror());
    check_arithmetic();
    assert_int_equal(fegetround(), FE_TONEAREST);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, in_a_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void calls_keep_the_rounding_mode(void **state)
{
    (void)state;
    assert_non_null(library);
    const char *(*version)(void);
    *(void **)&version = dlsym(library, "wg_version");
    assert_non_null(version);
    void *(*allocate)(size_t);
    *(void **)&allocate = dlsym(library, "wg_malloc_aligned");
    void (*release)(void *);
    *(void **)&release = dlsym(library, "wg_free_aligned");
    assert_non_null(allocate);
    assert_non_null(release);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(fesetround(modes[i]), 0);
        assert_non_null(version());
        release(allocate(100));
        int after = fegetround();
        fesetround(FE_TONEAREST);
        assert_int_equal(after, modes[i]);
    }
    check_arithmetic();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_changes_nothing),
        cmocka_unit_test(calls_keep_the_rounding_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
