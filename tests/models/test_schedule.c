/* Schedules: rates against values computed by hand, early stopping, state. */
#include "models_test.h"

#include <wengert/schedule.h>

static wg_schedule start(const wg_schedule_options *options)
{
    wg_schedule s;
    wg_error err = {WG_OK, ""};
    WGT_OK(wg_schedule_init(&s, options, &err), &err);
    return s;
}

static void test_constant_and_warmup(void **state)
{
    (void)state;
    wg_schedule s = start(NULL);
    WGT_NEAR(wg_schedule_rate(&s), 1e-3, 1e-15);
    wg_schedule_options o = WG_SCHEDULE_OPTIONS_INIT;
    o.rate = 2;
    o.warmup_steps = 4;
    s = start(&o);
    const double want[] = {0.5, 1, 1.5, 2, 2, 2};
    for (int i = 0; i < 6; i++) {
        WGT_NEAR(wg_schedule_rate(&s), want[i], 1e-15);
        wg_schedule_step(&s);
        wg_schedule_epoch(&s);
    }
}

static void test_fixed(void **state)
{
    (void)state;
    /* Luong et al. 2015: rate 1, after 5 epochs halved each epoch. */
    wg_schedule_options o = WG_SCHEDULE_OPTIONS_INIT;
    o.kind = WG_SCHEDULE_EPOCH;
    o.rate = 1;
    o.start = 5;
    o.min_rate = 0.1;
    wg_schedule s = start(&o);
    const double epochs[] = {1, 1, 1, 1, 1, 0.5, 0.25, 0.125, 0.1, 0.1};
    for (int i = 0; i < 10; i++) {
        WGT_NEAR(wg_schedule_rate(&s), epochs[i], 1e-15);
        wg_schedule_step(&s);
        wg_schedule_epoch(&s);
    }
    /* From the first on, every second step. */
    o = (wg_schedule_options)WG_SCHEDULE_OPTIONS_INIT;
    o.kind = WG_SCHEDULE_STEP;
    o.rate = 1;
    o.every = 2;
    o.factor = 0.1;
    s = start(&o);
    const double steps[] = {1, 1, 0.1, 0.1, 0.01, 0.01, 0.001};
    for (int i = 0; i < 7; i++) {
        WGT_NEAR(wg_schedule_rate(&s), steps[i], 1e-15);
        wg_schedule_step(&s);
    }
}

static void test_plateau(void **state)
{
    (void)state;
    wg_schedule_options o = WG_SCHEDULE_OPTIONS_INIT;
    o.kind = WG_SCHEDULE_PLATEAU;
    o.rate = 1;
    o.patience = 1;
    o.threshold = 0.1;
    o.min_rate = 0.2;
    o.stop_patience = 5;
    wg_schedule s = start(&o);
    const struct {
        double value;
        bool better, reduced, stop;
        double rate; /* afterwards */
    } steps[] = {
        {10, true, false, false, 1},     {8, true, false, false, 1},
        {7.5, false, false, false, 1}, /* not 10 % better than 8 */
        {7.3, false, true, false, 0.5},  {7.19, true, false, false, 0.5},
        {NAN, false, false, false, 0.5}, {9, false, true, false, 0.25},
        {9, false, false, false, 0.25},  {9, false, true, false, 0.2},
        {9, false, false, true, 0.2},    {9, false, false, true, 0.2}, /* at the floor */
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        wg_schedule_epoch(&s);
        wg_schedule_verdict v = wg_schedule_validation(&s, steps[i].value);
        assert_int_equal(v.better, steps[i].better);
        assert_int_equal(v.reduced, steps[i].reduced);
        assert_int_equal(v.stop, steps[i].stop);
        WGT_NEAR(wg_schedule_rate(&s), steps[i].rate, 1e-15);
    }
    WGT_NEAR(s.best, 7.19, 0);
    assert_int_equal(s.best_epoch, 5);
}

static void test_maximise(void **state)
{
    (void)state;
    wg_schedule_options o = WG_SCHEDULE_OPTIONS_INIT;
    o.maximise = true;
    o.stop_patience = 2;
    wg_schedule s = start(&o);
    assert_false(wg_schedule_validation(&s, -INFINITY).better);
    assert_true(wg_schedule_validation(&s, 0).better);
    assert_true(wg_schedule_validation(&s, 20).better);
    assert_false(wg_schedule_validation(&s, 20).stop);
    assert_true(wg_schedule_validation(&s, 19).stop);
    assert_true(wg_schedule_validation(&s, 21).better);
    WGT_NEAR(wg_schedule_rate(&s), 1e-3, 1e-15);
}

static void test_state(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_schedule_options o = WG_SCHEDULE_OPTIONS_INIT;
    o.kind = WG_SCHEDULE_PLATEAU;
    wg_schedule s = start(&o), t = start(&o);
    for (int round = 0; round < 2; round++) { /* the first before any validation: best is inf */
        wg_state *tree;
        WGT_OK(wg_state_new(&tree, &err), &err);
        WGT_OK(wg_schedule_save(&s, tree, &err), &err);
        WGT_OK(wg_schedule_load(&t, tree, &err), &err);
        assert_true(s.best == t.best && s.step == t.step && s.epoch == t.epoch &&
                    s.reductions == t.reductions && s.best_epoch == t.best_epoch &&
                    s.bad == t.bad && s.bad_to_stop == t.bad_to_stop);
        wg_state_free(tree);
        for (int i = 0; i < 5; i++) wg_schedule_step(&s);
        wg_schedule_epoch(&s);
        wg_schedule_validation(&s, 1.0 / 3);
        wg_schedule_validation(&s, 2);
    }
    wg_state *tree;
    WGT_OK(wg_state_new(&tree, &err), &err);
    WGT_STATUS(wg_schedule_load(&t, tree, &err), WG_ENOTFOUND, &err);
    const char *bad = "{\"format_version\":1,\"step\":1,\"epoch\":-1,\"reductions\":0,"
                      "\"best_epoch\":0,\"bad\":0,\"bad_to_stop\":0,\"best\":1}";
    WGT_OK(wg_state_put_text(tree, "schedule/state.json", bad, strlen(bad), &err), &err);
    WGT_STATUS(wg_schedule_load(&t, tree, &err), WG_EFORMAT, &err);
    wg_state_free(tree);
}

/* Bit by bit: 15 digits, of which cJSON thinks that they are enough, lose the last bit of every
 * fifth number, and a comparison with the best of before comes out otherwise then. */
static void test_state_keeps_every_bit(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_schedule s = start(&(wg_schedule_options)WG_SCHEDULE_OPTIONS_INIT), t = s;
    double x = 17.0 / 3;
    for (int i = 0; i < 500; i++, x = x * 1.37 - (double)(int64_t)(x * 1.37 / 40) * 39.3) {
        wg_state *tree;
        s.best = x;
        WGT_OK(wg_state_new(&tree, &err), &err);
        WGT_OK(wg_schedule_save(&s, tree, &err), &err);
        WGT_OK(wg_schedule_load(&t, tree, &err), &err);
        assert_memory_equal(&s.best, &t.best, sizeof s.best);
        wg_state_free(tree);
    }
}

static void test_refused(void **state)
{
    (void)state;
    wg_error err = {WG_OK, ""};
    wg_schedule s;
    for (int i = 0; i < 8; i++) {
        wg_schedule_options o = WG_SCHEDULE_OPTIONS_INIT;
        if (i == 0) o.rate = 0;
        if (i == 1) o.factor = 1.5;
        if (i == 2) o.every = 0;
        if (i == 3) o.min_rate = NAN;
        if (i == 4) o.patience = -1;
        if (i == 5) o.threshold = 1;
        if (i == 6) o.kind = (wg_schedule_kind)9;
        if (i == 7) o.size = 8;
        WGT_STATUS(wg_schedule_init(&s, &o, &err), WG_EINVAL, &err);
    }
    wg_schedule_kind kind;
    WGT_OK(wg_schedule_from_name("plateau", &kind, &err), &err);
    assert_int_equal(kind, WG_SCHEDULE_PLATEAU);
    WGT_STATUS(wg_schedule_from_name("cosine", &kind, &err), WG_ENOTFOUND, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_and_warmup),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_plateau),
        cmocka_unit_test(test_maximise),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_state_keeps_every_bit),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
