/* What `wengert gradcheck` shows: equations, graphs, reports. */
#include "gradcheck.h"

#include <string.h>

#include <wengert/atomicfile.h>
#include <wengert/memory.h>

int gc_print_equations(const gc_subject *s)
{
    char *text;
    wg_error err;
    if (wg_print(s->tape, s->out, s->n_out, &text, &err) != WG_OK) return cli_fail(&err);
    printf("equations:\n%s", text);
    wg_free(text);
    return CLI_FINE;
}

int gc_write_dot(const gc_subject *s, const char *path)
{
    char *text;
    wg_error err;
    wg_status status = wg_dot(s->tape, s->out, s->n_out, &text, &err);
    if (status == WG_OK) {
        status = wg_file_write_atomic(path, text, strlen(text), &err);
        wg_free(text);
    }
    return status == WG_OK ? CLI_FINE : cli_fail(&err);
}

void gc_print_report(const char *text)
{
    const char *end = strstr(text, "\nequations:\n");
    printf("%.*s", end ? (int)(end - text) + 1 : (int)strlen(text), text);
}

/* A parameter may be used, and what is made of it not: then every derivative is 0, and right. */
static bool without_effect(const wg_gradcheck_leaf *leaf)
{
    return leaf->verdict == WG_GRADCHECK_OK && leaf->checked > 0 && leaf->worst_error == 0 &&
           leaf->analytic == 0 && leaf->numeric == 0;
}

void gc_print_without_effect(const wg_gradcheck_report *report)
{
    for (int i = 0; i < report->n_leaves; i++)
        if (without_effect(&report->leaves[i]))
            printf("without effect: every derivative with respect to %s is 0; is what the step "
                   "makes of it used?\n",
                   report->leaves[i].name);
}

void gc_print_line(const char *verdict, const char *kind, const char *name,
                   const wg_gradcheck_report *report)
{
    int64_t checked = 0, kinks = 0;
    int unused = 0;
    for (int i = 0; i < report->n_leaves; i++) {
        checked += report->leaves[i].checked;
        kinks += report->leaves[i].kinks;
        unused += report->leaves[i].verdict == WG_GRADCHECK_UNUSED;
    }
    printf("%-8s %-4s %-24s %6lld derivatives", verdict, kind, name, (long long)checked);
    if (report->worst_leaf >= 0)
        printf(", worst error %.2g", report->leaves[report->worst_leaf].worst_error);
    if (kinks) printf(", %lld at kinks", (long long)kinks);
    if (unused) printf(", %d unused", unused);
    putchar('\n');
    for (int i = 0; unused && i < report->n_leaves; i++)
        if (report->leaves[i].verdict == WG_GRADCHECK_UNUSED)
            printf("         unused: %s\n", report->leaves[i].name);
}
