/* What is known of the memory of gradients: which rows of a matrix may differ from zero.
 *
 * A program that scatters rows into a matrix of a parameter set's gradients says which
 * (wg_touched), and the rest stays zero without being cleared again, read for the norm or
 * subtracted. Nothing is known of memory that others can write: from the moment that wg_tensor_data
 * has given a pointer out, and, until the next program has written, after wg_tensor_set, _fill or
 * _copy. Private to core. */
#ifndef WG_CORE_TRACK_H
#define WG_CORE_TRACK_H

#include <stdatomic.h>

#include <wengert/op.h>

typedef struct wg__track wg__track;
struct wg__track {
    wg__track *whole;      /* of the arena that the tensor is a part of; NULL = it is one */
    atomic_bool open;      /* a pointer to write through is out */
    uint64_t writes, seen; /* whole: how often written as such; part: at how many `rows` was set */
    wg_touched rows;       /* a part that is a matrix */
};

/* Gives a tensor its record, owned by the caller and outliving the tensor's use; NULL = none. */
void wg__tensor_track(wg_tensor *tensor, wg__track *track);
/* The data for the library itself: no pointer leaves it. */
void *wg__tensor_memory(const wg_tensor *tensor);
/* The rows of a tensor that has a record and no pointer out, or NULL; brought up to date. */
wg_touched *wg__tensor_rows(const wg_tensor *tensor);
/* The tensor is written with anything: which rows are zero is not known any more. */
void wg__tensor_forget(wg_tensor *tensor);

#endif
