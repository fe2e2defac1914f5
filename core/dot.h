/* What the two files of wg_dot share: a drawing, and the nodes of it. */
#ifndef WG_CORE_DOT_H
#define WG_CORE_DOT_H

#include "listing.h"

/* Where a drawing is: values of different bodies share numbers, so identifiers carry a prefix. */
typedef struct wg__pen {
    wg__text nodes; /* the list of nodes and clusters */
    wg__text edges; /* all edges come last, outside the clusters */
    int clusters, scans;
} wg__pen;

/* The list being drawn. */
typedef struct wg__sheet {
    const wg_tape *tape;
    const uint8_t *needed;
    int number;        /* of the scan; 0 = the root */
    const char *scope; /* scope of the scan that this is the body of */
    int indent;
} wg__sheet;

/* Identifier of a node of the sheet. */
void wg__dot_id(wg__text *t, const wg__sheet *s, int32_t node);
/* A node of the list: names, op, attributes and types of its results. */
void wg__dot_node(wg__pen *p, const wg__sheet *s, int32_t number);
/* Slot i of n of its kind, `what`, of a body; nothing where nothing needs it. */
void wg__dot_slot(wg__pen *p, const wg__sheet *s, const char *what, int32_t i, int32_t n,
                  int32_t value);
/* The n results of one kind of a scan, the points where its values leave the cluster; `out` counts
 * those of all kinds. */
void wg__dot_results(wg__pen *p, const wg__sheet *s, const char *what, int32_t n,
                     const wg__node *scan, const wg_tape *outer, int32_t *out);

#endif
