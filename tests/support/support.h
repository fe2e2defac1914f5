/* What every test program may use on top of cmocka: checks that print what differed, an allocator
 * that fails on demand, and the place of data that is not part of the repository.
 *
 * This header includes cmocka.h and what cmocka.h needs before it. */
#ifndef WENGERT_TESTS_SUPPORT_H
#define WENGERT_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <wengert/memory.h>
#include <wengert/status.h>

/* Fails the test unless `expr`, a wg_status, is WG_OK; prints the code and the message of `err`
 * (a wg_error *, or NULL). */
#define WGT_OK(expr, err) wgt_check_ok((expr), #expr, (err), __FILE__, __LINE__)

/* Fails the test unless `expr` gives exactly `wanted`; prints both codes and the message. */
#define WGT_STATUS(expr, wanted, err) \
    wgt_check_status((expr), (wanted), #expr, (err), __FILE__, __LINE__)

/* Fails the test unless |a - b| <= tol; prints both operands. Equal infinities are near, a NaN is
 * near nothing. */
#define WGT_NEAR(a, b, tol) wgt_check_near((a), (b), (tol), #a, #b, __FILE__, __LINE__)

/* Fails the test unless |a - b| <= atol + rtol * |b|. */
#define WGT_CLOSE(a, b, rtol, atol) \
    wgt_check_close((a), (b), (rtol), (atol), #a, #b, __FILE__, __LINE__)

void wgt_check_ok(wg_status status, const char *text, const wg_error *err, const char *file,
                  int line);
void wgt_check_status(wg_status status, wg_status wanted, const char *text, const wg_error *err,
                      const char *file, int line);
void wgt_check_near(double a, double b, double tol, const char *a_text, const char *b_text,
                    const char *file, int line);
void wgt_check_close(double a, double b, double rtol, double atol, const char *a_text,
                     const char *b_text, const char *file, int line);

/* A wg_trace_fn whose user is an int *: one more for each program that was compiled. */
void wgt_count_programs(void *count, const char *pass, const char *text);

/* Out-of-memory sweeps. wgt_fail_alloc_at(n) installs an allocator whose n-th call from now on
 * (counted from 1, allocations and reallocations alike, over all threads) fails, and only that
 * one; n = 0 only counts. wgt_fail_alloc_from(n) fails the n-th and all later ones.
 * wgt_alloc_count() gives the calls made since, wgt_alloc_live() the blocks not yet freed of those
 * made since, and wgt_alloc_restore() puts the default allocator back. Install it while nothing
 * that the code under test allocated is alive. A sweep reads:
 *
 *     for (size_t n = 1;; n++) {
 *         wgt_fail_alloc_at(n);
 *         wg_status status = work();
 *         if (!wgt_alloc_ran_out(status)) break;
 *     }
 *
 * wgt_alloc_ran_out puts the default allocator back and says whether a call was made to fail; it
 * fails the test where anything is still alive, or `status` is not WG_ENOMEM then (else WG_OK).
 */
void wgt_fail_alloc_at(size_t n);
void wgt_fail_alloc_from(size_t n);
size_t wgt_alloc_count(void);
size_t wgt_alloc_live(void);
bool wgt_alloc_ran_out(wg_status status);
void wgt_alloc_restore(void);

/* Paths. `buf` is an array (its size is taken with sizeof). Data that is not committed lies in
 * $WENGERT_SHARED or in ../shared beside the source tree; a test without it calls skip(). The first
 * returns false when nothing of that name is there. */
#define wgt_shared_path(buf, name) wgt_shared_path_n((buf), sizeof(buf), (name))
bool wgt_shared_path_n(char *buf, size_t size, const char *name);

/* A path in the source tree ("tests/golden/lstm.npz"); false when it does not fit. */
#define wgt_source_path(buf, name) wgt_source_path_n((buf), sizeof(buf), (name))
bool wgt_source_path_n(char *buf, size_t size, const char *name);

/* Makes an empty directory of this process's own and writes its path; remove it with
 * wgt_remove_tree when done. */
#define wgt_temp_dir(buf) wgt_temp_dir_n((buf), sizeof(buf))
bool wgt_temp_dir_n(char *buf, size_t size);
void wgt_remove_tree(const char *path);

#endif
