/* An allocator that counts and fails on demand, for out-of-memory sweeps. */
#include "support.h"

#include <stdatomic.h>
#include <stdlib.h>

static struct {
    atomic_size_t calls;
    atomic_size_t live;
    size_t at;
    bool later_too;
} state;

static bool refuse(void)
{
    size_t call = atomic_fetch_add(&state.calls, 1) + 1;
    if (state.at == 0) return false;
    return state.later_too ? call >= state.at : call == state.at;
}

static void *counting_alloc(void *user, size_t bytes)
{
    (void)user;
    if (refuse()) return NULL;
    void *block = malloc(bytes);
    if (block) atomic_fetch_add(&state.live, 1);
    return block;
}

static void *counting_realloc(void *user, void *old, size_t bytes)
{
    (void)user;
    if (refuse()) return NULL;
    return realloc(old, bytes);
}

static void counting_free(void *user, void *block)
{
    (void)user;
    atomic_fetch_sub(&state.live, 1);
    free(block);
}

static void install(size_t n, bool later_too)
{
    static const wg_allocator allocator = {
        .size = sizeof(wg_allocator),
        .alloc = counting_alloc,
        .realloc = counting_realloc,
        .free = counting_free,
    };
    atomic_store(&state.calls, 0);
    atomic_store(&state.live, 0);
    state.at = n;
    state.later_too = later_too;
    assert_int_equal(wg_set_allocator(&allocator), WG_OK);
}

void wgt_fail_alloc_at(size_t n)
{
    install(n, false);
}

void wgt_fail_alloc_from(size_t n)
{
    install(n, true);
}

size_t wgt_alloc_count(void)
{
    return atomic_load(&state.calls);
}

size_t wgt_alloc_live(void)
{
    return atomic_load(&state.live);
}

void wgt_alloc_restore(void)
{
    assert_int_equal(wg_set_allocator(NULL), WG_OK);
}

bool wgt_alloc_ran_out(wg_status status)
{
    bool reached = wgt_alloc_count() >= state.at;
    size_t live = wgt_alloc_live();
    wgt_alloc_restore();
    if (live) fail_msg("allocation %zu: %zu blocks are left", state.at, live);
    if (status != (reached ? WG_ENOMEM : WG_OK))
        fail_msg("allocation %zu%s: %s", state.at, reached ? "" : ", never made",
                 wg_status_name(status));
    return reached;
}
