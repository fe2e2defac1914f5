/* The functions that a host hands to plugins: one list, from which come the table (struct wg_host),
 * the host's own copy of it, and a plugin's forwarders.
 *
 *   F(return type, name, (parameters), (arguments))    P(name, (parameters), (arguments))
 *
 * P is for functions that return nothing. New functions are appended at the END and nothing is ever
 * moved or taken out: the place in the list is the binary interface (tests/build/test_host_api.sh
 * holds on to it). Functions with "..." are there in their v-form only. Parameters end in "_"
 * because the forwarders stand in a plugin's source, beside whatever it calls its own things. */
#ifndef WENGERT_HOST_API_H
#define WENGERT_HOST_API_H

/* A function a line, to be read and compared. */
/* clang-format off */
#define WG_HOST_API(F, P) \
    /* <wengert/status.h> */ \
    F(const char *, wg_strerror, (wg_status status_), (status_)) \
    F(const char *, wg_status_name, (wg_status status_), (status_)) \
    F(wg_status, wg_error_setv, (wg_error *err_, wg_status status_, const char *fmt_, va_list args_), (err_, status_, fmt_, args_)) \
    /* <wengert/memory.h> */ \
    F(void *, wg_malloc, (size_t bytes_), (bytes_)) \
    F(void *, wg_calloc, (size_t count_, size_t size_), (count_, size_)) \
    F(void *, wg_realloc, (void *block_, size_t bytes_), (block_, bytes_)) \
    F(void *, wg_reallocarray, (void *block_, size_t count_, size_t size_), (block_, count_, size_)) \
    F(char *, wg_strdup, (const char *text_), (text_)) \
    P(wg_free, (void *block_), (block_)) \
    F(void *, wg_malloc_aligned, (size_t bytes_), (bytes_)) \
    P(wg_free_aligned, (void *block_), (block_)) \
    /* <wengert/tensor.h> */ \
    F(size_t, wg_dtype_size, (wg_dtype dtype_), (dtype_)) \
    F(const char *, wg_dtype_name, (wg_dtype dtype_), (dtype_)) \
    F(wg_shape, wg_shape_of, (int rank_, const int64_t *dims_), (rank_, dims_)) \
    F(bool, wg_shape_equal, (const wg_shape *a_, const wg_shape *b_), (a_, b_)) \
    F(int64_t, wg_shape_count, (const wg_shape *shape_), (shape_)) \
    F(const char *, wg_shape_format, (const wg_shape *shape_, char *buf_, size_t size_), (shape_, buf_, size_)) \
    F(bool, wg_shape_broadcast, (const wg_shape *a_, const wg_shape *b_, wg_shape *out_), (a_, b_, out_)) \
    F(wg_status, wg_tensor_new, (wg_dtype dtype_, wg_shape shape_, wg_tensor **out_, wg_error *err_), (dtype_, shape_, out_, err_)) \
    F(wg_status, wg_tensor_wrap, (wg_dtype dtype_, wg_shape shape_, void *data_, wg_tensor **out_, wg_error *err_), (dtype_, shape_, data_, out_, err_)) \
    F(wg_status, wg_tensor_clone, (const wg_tensor *tensor_, wg_tensor **out_, wg_error *err_), (tensor_, out_, err_)) \
    P(wg_tensor_free, (wg_tensor *tensor_), (tensor_)) \
    F(wg_dtype, wg_tensor_dtype, (const wg_tensor *tensor_), (tensor_)) \
    F(wg_shape, wg_tensor_shape, (const wg_tensor *tensor_), (tensor_)) \
    F(int64_t, wg_tensor_count, (const wg_tensor *tensor_), (tensor_)) \
    F(size_t, wg_tensor_bytes, (const wg_tensor *tensor_), (tensor_)) \
    F(void *, wg_tensor_data, (wg_tensor *tensor_), (tensor_)) \
    F(const void *, wg_tensor_cdata, (const wg_tensor *tensor_), (tensor_)) \
    F(double, wg_tensor_get, (const wg_tensor *tensor_, int64_t i_), (tensor_, i_)) \
    P(wg_tensor_set, (wg_tensor *tensor_, int64_t i_, double value_), (tensor_, i_, value_)) \
    P(wg_tensor_fill, (wg_tensor *tensor_, double value_), (tensor_, value_)) \
    F(wg_status, wg_tensor_copy, (wg_tensor *dst_, const wg_tensor *src_, wg_error *err_), (dst_, src_, err_)) \
    /* <wengert/rng.h> */ \
    P(wg_philox, (const uint32_t counter_[4], const uint32_t key_[2], uint32_t out_[4]), (counter_, key_, out_)) \
    P(wg_rng_init, (wg_rng *rng_, uint64_t seed_, const char *stream_), (rng_, seed_, stream_)) \
    F(uint32_t, wg_rng_u32, (wg_rng *rng_), (rng_)) \
    F(double, wg_rng_uniform, (wg_rng *rng_), (rng_)) \
    F(double, wg_rng_normal, (wg_rng *rng_), (rng_)) \
    F(uint32_t, wg_rng_below, (wg_rng *rng_, uint32_t n_), (rng_, n_)) \
    F(uint64_t, wg_stream_id, (const char *name_), (name_)) \
    /* <wengert/parallel.h> */ \
    P(wg_parallel_for, (int threads_, int64_t n_, int64_t grain_, void (*body_)(void *user_, int64_t begin_, int64_t end_, int worker_), void *user_), (threads_, n_, grain_, body_, user_)) \
    F(int, wg_default_threads, (void), ()) \
    F(wg_isa, wg_isa_best, (void), ()) \
    F(const char *, wg_isa_name, (wg_isa isa_), (isa_)) \
    /* <wengert/param.h> */ \
    F(wg_status, wg_params_new, (wg_dtype dtype_, wg_params **out_, wg_error *err_), (dtype_, out_, err_)) \
    P(wg_params_free, (wg_params *params_), (params_)) \
    F(wg_status, wg_params_add, (wg_params *params_, const char *name_, wg_shape shape_, const wg_init *init_, int *id_, wg_error *err_), (params_, name_, shape_, init_, id_, err_)) \
    F(wg_status, wg_params_init, (wg_params *params_, uint64_t seed_, wg_error *err_), (params_, seed_, err_)) \
    F(wg_dtype, wg_params_dtype, (const wg_params *params_), (params_)) \
    F(int, wg_params_count, (const wg_params *params_), (params_)) \
    F(int64_t, wg_params_elements, (const wg_params *params_), (params_)) \
    F(int, wg_params_find, (const wg_params *params_, const char *name_), (params_, name_)) \
    F(const char *, wg_params_name, (const wg_params *params_, int id_), (params_, id_)) \
    F(wg_shape, wg_params_shape, (const wg_params *params_, int id_), (params_, id_)) \
    F(wg_tensor *, wg_params_value, (const wg_params *params_, int id_), (params_, id_)) \
    F(wg_tensor *, wg_params_grad, (const wg_params *params_, int id_), (params_, id_)) \
    F(wg_tensor *, wg_params_values, (const wg_params *params_), (params_)) \
    F(wg_tensor *, wg_params_grads, (const wg_params *params_), (params_)) \
    F(wg_var, wg_param, (wg_tape *tape_, const wg_params *params_, int id_), (tape_, params_, id_)) \
    F(wg_var, wg_param_named, (wg_tape *tape_, const wg_params *params_, const char *name_), (tape_, params_, name_)) \
    /* <wengert/tape.h> */ \
    F(wg_status, wg_tape_new, (wg_tape **out_, wg_error *err_), (out_, err_)) \
    P(wg_tape_free, (wg_tape *tape_), (tape_)) \
    P(wg_tape_reset, (wg_tape *tape_), (tape_)) \
    F(wg_status, wg_tape_status, (const wg_tape *tape_, wg_error *err_), (tape_, err_)) \
    F(wg_var, wg_tape_failv, (wg_tape *tape_, wg_status status_, const char *fmt_, va_list args_), (tape_, status_, fmt_, args_)) \
    F(int64_t, wg_tape_length, (const wg_tape *tape_), (tape_)) \
    F(wg_tape *, wg_var_tape, (wg_var v_), (v_)) \
    F(bool, wg_var_ok, (wg_var v_), (v_)) \
    F(wg_type, wg_var_type, (wg_var v_), (v_)) \
    F(int64_t, wg_dim, (wg_var v_, int axis_), (v_, axis_)) \
    F(int, wg_rank, (wg_var v_), (v_)) \
    F(wg_dtype, wg_var_dtype, (wg_var v_), (v_)) \
    F(wg_var, wg_input, (wg_tape *tape_, const char *name_, wg_dtype dtype_, wg_shape shape_), (tape_, name_, dtype_, shape_)) \
    F(wg_var, wg_tensor_var, (wg_tape *tape_, wg_tensor *tensor_), (tape_, tensor_)) \
    F(wg_var, wg_const, (wg_tape *tape_, wg_dtype dtype_, wg_shape shape_, double value_), (tape_, dtype_, shape_, value_)) \
    F(wg_var, wg_const_data, (wg_tape *tape_, wg_dtype dtype_, wg_shape shape_, const void *data_), (tape_, dtype_, shape_, data_)) \
    F(wg_var, wg_zeros_like, (wg_var v_), (v_)) \
    F(wg_var, wg_ones_like, (wg_var v_), (v_)) \
    P(wg_push_scope, (wg_tape *tape_, const char *name_), (tape_, name_)) \
    P(wg_pop_scope, (wg_tape *tape_), (tape_)) \
    F(wg_var, wg_name, (wg_var v_, const char *name_), (v_, name_)) \
    F(wg_var, wg_watch, (wg_var v_, const char *name_), (v_, name_)) \
    P(wg_tape_on_watch, (wg_tape *tape_, wg_watch_fn fn_, void *user_), (tape_, fn_, user_)) \
    P(wg_here, (const char *file_, int line_), (file_, line_)) \
    F(wg_var, wg_stop_gradient, (wg_var v_), (v_)) \
    F(wg_status, wg_grad, (const wg_var *y_, const wg_var *gy_, int n_y_, const wg_var *x_, int n_x_, wg_var *gx_), (y_, gy_, n_y_, x_, n_x_, gx_)) \
    F(wg_status, wg_grad_or_zeros, (const wg_var *y_, const wg_var *gy_, int n_y_, const wg_var *x_, int n_x_, wg_var *gx_), (y_, gy_, n_y_, x_, n_x_, gx_)) \
    F(wg_status, wg_hvp, (wg_var y_, const wg_var *x_, const wg_var *v_, int n_, wg_var *hv_), (y_, x_, v_, n_, hv_)) \
    F(wg_status, wg_print, (const wg_tape *tape_, const wg_var *out_, int n_out_, char **text_, wg_error *err_), (tape_, out_, n_out_, text_, err_)) \
    F(wg_status, wg_dot, (const wg_tape *tape_, const wg_var *out_, int n_out_, char **text_, wg_error *err_), (tape_, out_, n_out_, text_, err_)) \
    /* <wengert/op.h> */ \
    F(wg_status, wg_infer_failv, (wg_infer *c_, wg_status status_, const char *fmt_, va_list args_), (c_, status_, fmt_, args_)) \
    F(wg_var, wg_record, (const wg_op *op_, const wg_var *in_, int n_in_, const void *attr_, size_t attr_size_), (op_, in_, n_in_, attr_, attr_size_)) \
    F(wg_status, wg_record_n, (const wg_op *op_, const wg_var *in_, int n_in_, const void *attr_, size_t attr_size_, wg_var *out_, int n_out_), (op_, in_, n_in_, attr_, attr_size_, out_, n_out_)) \
    F(wg_var, wg_record_on, (wg_tape *tape_, const wg_op *op_, const wg_var *in_, int n_in_, const void *attr_, size_t attr_size_), (tape_, op_, in_, n_in_, attr_, attr_size_)) \
    F(int, wg_vjp_n_in, (const wg_vjp *c_), (c_)) \
    F(int, wg_vjp_n_out, (const wg_vjp *c_), (c_)) \
    F(wg_var, wg_vjp_in, (const wg_vjp *c_, int i_), (c_, i_)) \
    F(wg_var, wg_vjp_out, (const wg_vjp *c_, int i_), (c_, i_)) \
    F(const void *, wg_vjp_attr, (const wg_vjp *c_), (c_)) \
    F(size_t, wg_vjp_attr_size, (const wg_vjp *c_), (c_)) \
    F(bool, wg_vjp_needs, (const wg_vjp *c_, int i_), (c_, i_)) \
    F(bool, wg_vjp_has_grad, (const wg_vjp *c_, int i_), (c_, i_)) \
    F(wg_var, wg_vjp_grad, (wg_vjp *c_, int i_), (c_, i_)) \
    P(wg_vjp_add, (wg_vjp *c_, int i_, wg_var g_), (c_, i_, g_)) \
    P(wg_vjp_through, (wg_vjp *c_, wg_var same_), (c_, same_)) \
    F(wg_var, wg_sum_to, (wg_var g_, wg_shape shape_), (g_, shape_)) \
    F(wg_status, wg_register_op, (const wg_op *op_, wg_error *err_), (op_, err_)) \
    F(const wg_op *, wg_find_op, (const char *name_), (name_)) \
    F(int, wg_op_count, (void), ()) \
    F(const wg_op *, wg_op_at, (int i_), (i_)) \
    /* <wengert/scan.h> */ \
    F(wg_status, wg_scan, (wg_tape *tape_, const wg_scan_def *def_, wg_var *final_, wg_var *y_, wg_var *sum_), (tape_, def_, final_, y_, sum_)) \
    /* <wengert/cell.h> */ \
    F(wg_var, wg_p, (wg_step *s_, const char *name_), (s_, name_)) \
    F(double, wg_hyper, (wg_step *s_, const char *name_), (s_, name_)) \
    F(wg_status, wg_register_cell, (const wg_cell *cell_, wg_error *err_), (cell_, err_)) \
    F(const wg_cell *, wg_find_cell, (const char *name_), (name_)) \
    F(int, wg_cell_count, (void), ()) \
    F(const wg_cell *, wg_cell_at, (int i_), (i_)) \
    F(wg_status, wg_cell_shape, (const char *text_, int64_t input_, int64_t hidden_, int64_t output_, wg_shape *shape_, wg_error *err_), (text_, input_, hidden_, output_, shape_, err_)) \
    /* <wengert/program.h> */ \
    F(wg_status, wg_compile, (const wg_var *out_, int n_out_, const wg_compile_options *options_, wg_program **program_, wg_error *err_), (out_, n_out_, options_, program_, err_)) \
    P(wg_program_free, (wg_program *program_), (program_)) \
    F(wg_status, wg_program_bind, (wg_program *program_, const char *name_, wg_tensor *tensor_, wg_error *err_), (program_, name_, tensor_, err_)) \
    F(wg_status, wg_program_bind_output, (wg_program *program_, int i_, wg_tensor *tensor_, wg_error *err_), (program_, i_, tensor_, err_)) \
    F(wg_status, wg_program_run, (wg_program *program_, wg_error *err_), (program_, err_)) \
    F(const wg_tensor *, wg_program_output, (const wg_program *program_, int i_), (program_, i_)) \
    F(wg_status, wg_eval, (const wg_var *out_, int n_out_, wg_tensor *const *tensors_, wg_error *err_), (out_, n_out_, tensors_, err_)) \
    F(const wg_tensor *, wg_eval_output, (const wg_tape *tape_, int i_), (tape_, i_)) \
    F(wg_status, wg_tape_options, (wg_tape *tape_, const wg_compile_options *options_, wg_error *err_), (tape_, options_, err_)) \
    P(wg_program_get_stats, (const wg_program *program_, wg_program_stats *stats_), (program_, stats_)) \
    P(wg_tape_cache_stats, (const wg_tape *tape_, int64_t *programs_, int64_t *hits_, int64_t *misses_), (tape_, programs_, hits_, misses_)) \
    /* <wengert/state.h> */ \
    F(wg_status, wg_state_new, (wg_state **out_, wg_error *err_), (out_, err_)) \
    P(wg_state_free, (wg_state *state_), (state_)) \
    F(wg_status, wg_state_put_tensor, (wg_state *state_, const char *name_, wg_tensor *tensor_, wg_error *err_), (state_, name_, tensor_, err_)) \
    F(wg_status, wg_state_ref_tensor, (wg_state *state_, const char *name_, wg_tensor *tensor_, wg_error *err_), (state_, name_, tensor_, err_)) \
    F(wg_status, wg_state_put_text, (wg_state *state_, const char *name_, const char *text_, size_t length_, wg_error *err_), (state_, name_, text_, length_, err_)) \
    F(int, wg_state_count, (const wg_state *state_), (state_)) \
    F(const char *, wg_state_name, (const wg_state *state_, int i_), (state_, i_)) \
    F(wg_tensor *, wg_state_tensor_at, (const wg_state *state_, int i_), (state_, i_)) \
    F(const char *, wg_state_text_at, (const wg_state *state_, int i_, size_t *length_), (state_, i_, length_)) \
    F(wg_tensor *, wg_state_tensor, (const wg_state *state_, const char *name_), (state_, name_)) \
    F(const char *, wg_state_text, (const wg_state *state_, const char *name_, size_t *length_), (state_, name_, length_)) \
    /* <wengert/ops.h> */ \
    F(wg_var, wg_add, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_sub, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_mul, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_div, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_pow, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_min, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_max, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_neg, (wg_var x_), (x_)) \
    F(wg_var, wg_exp, (wg_var x_), (x_)) \
    F(wg_var, wg_log, (wg_var x_), (x_)) \
    F(wg_var, wg_sqrt, (wg_var x_), (x_)) \
    F(wg_var, wg_square, (wg_var x_), (x_)) \
    F(wg_var, wg_reciprocal, (wg_var x_), (x_)) \
    F(wg_var, wg_abs, (wg_var x_), (x_)) \
    F(wg_var, wg_sigmoid, (wg_var x_), (x_)) \
    F(wg_var, wg_tanh, (wg_var x_), (x_)) \
    F(wg_var, wg_relu, (wg_var x_), (x_)) \
    F(wg_var, wg_softplus, (wg_var x_), (x_)) \
    F(wg_var, wg_gelu, (wg_var x_), (x_)) \
    F(wg_var, wg_gelu_tanh, (wg_var x_), (x_)) \
    F(wg_var, wg_erf, (wg_var x_), (x_)) \
    F(wg_var, wg_sin, (wg_var x_), (x_)) \
    F(wg_var, wg_cos, (wg_var x_), (x_)) \
    F(wg_var, wg_one_minus, (wg_var x_), (x_)) \
    F(wg_var, wg_sign, (wg_var x_), (x_)) \
    F(wg_var, wg_leaky_relu, (wg_var x_, double slope_), (x_, slope_)) \
    F(wg_var, wg_scale, (wg_var x_, double factor_), (x_, factor_)) \
    F(wg_var, wg_add_scalar, (wg_var x_, double term_), (x_, term_)) \
    F(wg_var, wg_pow_scalar, (wg_var x_, double exponent_), (x_, exponent_)) \
    F(wg_var, wg_clamp, (wg_var x_, double low_, double high_), (x_, low_, high_)) \
    F(wg_var, wg_eq, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_ne, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_lt, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_le, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_gt, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_ge, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_logical_not, (wg_var mask_), (mask_)) \
    F(wg_var, wg_logical_and, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_logical_or, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_where, (wg_var mask_, wg_var a_, wg_var b_), (mask_, a_, b_)) \
    F(wg_var, wg_lerp, (wg_var a_, wg_var b_, wg_var w_), (a_, b_, w_)) \
    F(wg_var, wg_cast, (wg_var x_, wg_dtype dtype_), (x_, dtype_)) \
    F(wg_var, wg_matmul, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_matmul_t, (wg_var a_, wg_var b_, bool trans_a_, bool trans_b_), (a_, b_, trans_a_, trans_b_)) \
    F(wg_var, wg_affine, (wg_var x_, wg_var w_, wg_var b_), (x_, w_, b_)) \
    F(wg_var, wg_outer, (wg_var a_, wg_var b_), (a_, b_)) \
    F(wg_var, wg_sum, (wg_var x_, const int *axes_, int n_axes_, bool keep_), (x_, axes_, n_axes_, keep_)) \
    F(wg_var, wg_mean, (wg_var x_, const int *axes_, int n_axes_, bool keep_), (x_, axes_, n_axes_, keep_)) \
    F(wg_var, wg_max_over, (wg_var x_, const int *axes_, int n_axes_, bool keep_), (x_, axes_, n_axes_, keep_)) \
    F(wg_var, wg_logsumexp, (wg_var x_, const int *axes_, int n_axes_, bool keep_), (x_, axes_, n_axes_, keep_)) \
    F(wg_var, wg_norm, (wg_var x_, const int *axes_, int n_axes_, bool keep_), (x_, axes_, n_axes_, keep_)) \
    F(wg_var, wg_sum_all, (wg_var x_), (x_)) \
    F(wg_var, wg_mean_all, (wg_var x_), (x_)) \
    F(wg_var, wg_sum_axis, (wg_var x_, int axis_, bool keep_), (x_, axis_, keep_)) \
    F(wg_var, wg_softmax, (wg_var x_), (x_)) \
    F(wg_var, wg_log_softmax, (wg_var x_), (x_)) \
    F(wg_var, wg_softmax_masked, (wg_var x_, wg_var mask_), (x_, mask_)) \
    F(wg_var, wg_cross_entropy, (wg_var logits_, wg_var targets_, wg_var mask_, double label_smoothing_), (logits_, targets_, mask_, label_smoothing_)) \
    F(wg_var, wg_embedding, (wg_var table_, wg_var ids_), (table_, ids_)) \
    F(wg_var, wg_gather, (wg_var x_, int axis_, wg_var index_), (x_, axis_, index_)) \
    F(wg_var, wg_scatter_add, (wg_var base_, int axis_, wg_var index_, wg_var src_), (base_, axis_, index_, src_)) \
    F(wg_var, wg_scatter_rows, (wg_var rows_, wg_var ids_, int64_t n_rows_), (rows_, ids_, n_rows_)) \
    F(wg_var, wg_one_hot, (wg_var ids_, int64_t classes_, wg_dtype dtype_), (ids_, classes_, dtype_)) \
    F(wg_var, wg_argmax, (wg_var x_, int axis_), (x_, axis_)) \
    F(wg_status, wg_top_k, (wg_var x_, int k_, wg_var *values_, wg_var *indices_), (x_, k_, values_, indices_)) \
    F(bool, wg_sparse_rows, (wg_var v_, wg_var *rows_, wg_var *ids_), (v_, rows_, ids_)) \
    F(wg_var, wg_reshape, (wg_var x_, wg_shape shape_), (x_, shape_)) \
    F(wg_var, wg_transpose, (wg_var x_, const int *perm_, int n_perm_), (x_, perm_, n_perm_)) \
    F(wg_var, wg_swap_axes, (wg_var x_, int a_, int b_), (x_, a_, b_)) \
    F(wg_var, wg_broadcast_to, (wg_var x_, wg_shape shape_), (x_, shape_)) \
    F(wg_var, wg_expand_dims, (wg_var x_, int axis_), (x_, axis_)) \
    F(wg_var, wg_squeeze, (wg_var x_, int axis_), (x_, axis_)) \
    F(wg_var, wg_concat, (const wg_var *x_, int n_, int axis_), (x_, n_, axis_)) \
    F(wg_var, wg_stack, (const wg_var *x_, int n_, int axis_), (x_, n_, axis_)) \
    F(wg_status, wg_split, (wg_var x_, int axis_, int n_, wg_var *out_), (x_, axis_, n_, out_)) \
    F(wg_var, wg_slice, (wg_var x_, int axis_, int64_t start_, int64_t length_), (x_, axis_, start_, length_)) \
    F(wg_var, wg_pad, (wg_var x_, int axis_, int64_t before_, int64_t after_), (x_, axis_, before_, after_)) \
    F(wg_var, wg_reverse, (wg_var x_, int axis_, wg_var lengths_), (x_, axis_, lengths_)) \
    F(wg_var, wg_sequence_mask, (wg_var lengths_, int64_t steps_, bool time_major_), (lengths_, steps_, time_major_)) \
    F(wg_var, wg_pad_edge, (wg_var x_, wg_var lengths_), (x_, lengths_)) \
    F(wg_var, wg_random_uniform, (wg_tape *tape_, const char *stream_, wg_var key_, wg_var time_, int time_axis_, wg_dtype dtype_, wg_shape shape_), (tape_, stream_, key_, time_, time_axis_, dtype_, shape_)) \
    F(wg_var, wg_dropout, (wg_var x_, double rate_, wg_var key_, const char *stream_, wg_var time_, int time_axis_), (x_, rate_, key_, stream_, time_, time_axis_)) \
    F(wg_var, wg_dropout_mask, (wg_tape *tape_, double rate_, wg_var key_, const char *stream_, wg_var time_, int time_axis_, wg_dtype dtype_, wg_shape shape_), (tape_, rate_, key_, stream_, time_, time_axis_, dtype_, shape_)) \
    F(wg_var, wg_layer_norm, (wg_var x_, wg_var gain_, wg_var bias_, double eps_), (x_, gain_, bias_, eps_)) \
    /* <wengert/gradcheck.h> */ \
    F(wg_status, wg_gradcheck, (const wg_var *out_, int n_out_, const wg_var *wrt_, int n_wrt_, const wg_gradcheck_options *options_, wg_gradcheck_report *report_, wg_error *err_), (out_, n_out_, wrt_, n_wrt_, options_, report_, err_)) \
    P(wg_gradcheck_report_free, (wg_gradcheck_report *report_), (report_)) \
    F(void *, wg_tape_alloc, (wg_tape *tape_, size_t count_, size_t size_), (tape_, count_, size_)) \
    F(bool, wg_bf16_available, (void), ()) \
    F(bool, wg_params_touched, (const wg_params *params_, int64_t from_, int64_t to_, int64_t *begin_, int64_t *end_), (params_, from_, to_, begin_, end_)) \
    P(wg_workspace_free, (wg_workspace *workspace_), (workspace_)) \
    F(wg_status, wg_workspace_new, (wg_workspace **workspace_, wg_error *err_), (workspace_, err_)) \
    F(size_t, wg_workspace_bytes, (const wg_workspace *workspace_), (workspace_)) \
    F(wg_status, wg_params_alloc, (wg_params *params_, wg_error *err_), (params_, err_)) \
    F(int, wg_library_threads_enter, (int threads_), (threads_)) \
    P(wg_library_threads_leave, (int before_), (before_))

/* clang-format on */

#endif
