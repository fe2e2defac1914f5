/* What the files of the conversion between PyTorch's layers and ours share. */
#ifndef WENGERT_MODELS_INTEROP_INTERNAL_H
#define WENGERT_MODELS_INTEROP_INTERNAL_H

#include <stdbool.h>

#include <wengert/interop.h>

enum { MAX_PARTS = 4, NAME = 300 };

/* One of our parameters: which gates it holds, and in which of theirs they lie. */
typedef struct part {
    const char *ours;
    const char *gates;  /* in our order; NULL: a plain matrix */
    const char *theirs; /* "weight_ih" ... */
    const char *added;  /* a second bias whose gates `also` are added; or NULL */
    const char *also;
} part;

typedef struct layout {
    const char *cell;
    const char *gates; /* in their order: rows of weight_ih */
    int n_parts;
    part part[MAX_PARTS];
} layout;

extern const layout wg__interop_layouts[];
extern const int wg__interop_layout_count;
#define WG__THEIR_PARTS 5
extern const char *const wg__interop_their_parts[WG__THEIR_PARTS];

typedef struct job {
    const wg_state *in;
    wg_state *out;
    wg_interop_options o;
    wg_interop_report report;
    wg_error *err;
} job;

/* A layer and direction of a stack. */
typedef struct place {
    char prefix[NAME]; /* with its last dot */
    int layer;
    bool reverse;
} place;

/* interop.c. Applies the map: the length of the result, or -1 where that is too long. */
int wg__interop_map(const job *j, const char *name, char *to, size_t size);
/* Puts a tensor into the result, or frees it. */
wg_status wg__interop_put(job *j, const char *name, wg_tensor *t);
/* WG_EFORMAT "conversion: 'NAME' WHAT". */
wg_status wg__interop_misfit(const job *j, const char *name, const char *what);

/* interop_layers.c: the layer at a place, all its parts at once. */
wg_status wg__interop_import(job *j, const place *p);
wg_status wg__interop_export(job *j, const place *p);

#endif
