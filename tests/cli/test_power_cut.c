/* What survives a power cut. faults.so writes down what a training does to its files; the journal
 * is then replayed onto a disk that forgets what was not flushed, and stopped after each entry. A
 * file has the bytes of its last fsync then, or those and more, or zeros where more should be; of
 * what happened to names since the directory's last fsync any part may be there, and any part not.
 * In each of these states every file under a final name must be complete; and a save that the log
 * tells of must be there. */
#include "../preload/journal.h"
#include "training_test.h"

#include <wengert/npz.h>

enum { MOST_NAMES = 64, MOST_PENDING = 12 };

typedef struct file {
    char *live, *flushed;
    size_t size, flushed_size;
    bool dirty;      /* written to since it was flushed */
    int64_t updates; /* of what was flushed; -1 = not known yet, -2 = not complete */
} file;

typedef struct binding {
    char name[256];
    file *what; /* NULL: no such name */
} binding;

typedef struct names {
    binding at[MOST_NAMES];
    int n;
} names;

/* One thing that was done to names: `from` goes, `name` is `what`. */
typedef struct pending {
    char from[256], name[256];
    file *what;
} pending;

typedef struct disk {
    names live, flushed;
    pending since[MOST_PENDING];
    int n;
    int64_t told; /* updates of the save that the log told of last; -1 = none */
    int64_t states, saves, renames;
    int broken; /* states in which a file was not complete, or a save that was told was not there */
    char first[600];
} disk;

static file *find(const names *all, const char *name)
{
    for (int i = 0; i < all->n; i++)
        if (strcmp(all->at[i].name, name) == 0) return all->at[i].what;
    return NULL;
}

static void bind(names *all, const char *name, file *what)
{
    int i = 0;
    while (i < all->n && strcmp(all->at[i].name, name) != 0) i++;
    assert_true(i < MOST_NAMES);
    snprintf(all->at[i].name, sizeof all->at[i].name, "%s", name);
    all->at[i].what = what;
    if (i == all->n) all->n++;
}

static void apply(names *all, const pending *p)
{
    if (*p->from) bind(all, p->from, NULL);
    if (*p->name) bind(all, p->name, p->what);
}

static void did(disk *d, const char *from, const char *name, file *what)
{
    assert_true(d->n < MOST_PENDING);
    pending *p = &d->since[d->n++];
    snprintf(p->from, sizeof p->from, "%s", from);
    snprintf(p->name, sizeof p->name, "%s", name);
    p->what = what;
    apply(&d->live, p);
}

/* Updates in a checkpoint; -2 when it is not complete. A model has none: 0. */
static int64_t updates_in(const char *bytes, size_t size)
{
    wg_npz *npz;
    int64_t updates = 0;
    if (size == 0 || wg_npz_open_memory("survivor", bytes, size, NULL, &npz, NULL)) return -2;
    for (int64_t i = 0; i < wg_npz_count(npz) && updates >= 0; i++) {
        wg_tensor *tensor = NULL;
        char *text = NULL;
        size_t length = 0;
        wg_status status = wg_npz_is_tensor(npz, i)
                               ? wg_npz_read_tensor(npz, i, &tensor, NULL)
                               : wg_npz_read_bytes(npz, i, &text, &length, NULL);
        if (status) updates = -2;
        if (text && strcmp(wg_npz_name(npz, i), "progress/state.json") == 0) {
            cJSON *object = cJSON_Parse(text);
            updates = (int64_t)number_in(object, "updates");
            cJSON_Delete(object);
        }
        wg_tensor_free(tensor);
        wg_free(text);
    }
    wg_npz_close(npz);
    return updates;
}

static bool is_final(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".npz") == 0 && name[0] != '.';
}

static void broken(disk *d, const char *why, const char *name)
{
    if (d->broken++ == 0)
        snprintf(d->first, sizeof d->first, "after save %lld: %s: %s", (long long)d->saves, name,
                 why);
}

static void check_state(disk *d, const names *there)
{
    int64_t last = -1;
    d->states++;
    for (int i = 0; i < there->n; i++) {
        const char *name = there->at[i].name;
        file *what = there->at[i].what;
        if (!what || !is_final(name)) continue;
        if (what->updates == -1) what->updates = updates_in(what->flushed, what->flushed_size);
        if (what->updates < 0) broken(d, "not complete", name);
        if (what->dirty) {
            /* All of it arrived, or its length alone. */
            char *zeros = calloc(1, what->size + 1);
            assert_non_null(zeros);
            if (what->flushed_size) memcpy(zeros, what->flushed, what->flushed_size);
            if (updates_in(zeros, what->size) < 0)
                broken(d, "was written to after its fsync", name);
            free(zeros);
        }
        if (strcmp(name, "last.npz") == 0) last = what->updates;
    }
    if (last < d->told) broken(d, "is older than the log says", "last.npz");
}

/* The power goes. */
static void cut(disk *d)
{
    for (unsigned set = 0; set < 1u << d->n; set++) {
        names there = d->flushed;
        for (int i = 0; i < d->n; i++)
            if (set >> i & 1) apply(&there, &d->since[i]);
        check_state(d, &there);
    }
}

static file *new_file(void)
{
    file *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->updates = -1;
    return f;
}

static void write_to(file *f, uint64_t offset, const char *bytes, size_t size)
{
    size_t end = (size_t)offset + size;
    if (end > f->size) {
        f->live = realloc(f->live, end);
        assert_non_null(f->live);
        memset(f->live + f->size, 0, end - f->size);
        f->size = end;
    }
    memcpy(f->live + offset, bytes, size);
    f->dirty = true;
}

static void flush(file *f)
{
    free(f->flushed);
    f->flushed = malloc(f->size + 1);
    assert_non_null(f->flushed);
    if (f->size) memcpy(f->flushed, f->live, f->size);
    f->flushed_size = f->size;
    f->dirty = false;
    f->updates = -1;
}

/* Files and names that a replay leaves out, to see that the check can fail. */
typedef enum omission { NOTHING, FSYNC_OF_FILES, FSYNC_OF_FOLDER } omission;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void play(disk *d, const journal_entry *e, const char *path, const char *to,
                 const char *bytes, omission without)
{
    const char *name = base_name(path);
    file *f = find(&d->live, name);
    switch ((journal_op)e->op) {
    case JOURNAL_CREATE: did(d, "", name, new_file()); break;
    case JOURNAL_WRITE:
        if (strcmp(name, "log.jsonl") == 0) { /* flushed by nobody: not looked at, but for this */
            const char *event = "{\"event\": \"save\", \"file\": \"last.npz\", \"updates\": ";
            if (strncmp(bytes, event, strlen(event)) == 0) {
                d->told = atoll(bytes + strlen(event));
                d->saves++;
            }
            break;
        }
        assert_non_null(f);
        write_to(f, e->offset, bytes, (size_t)e->size);
        break;
    case JOURNAL_FSYNC:
        if (strcmp(name, "cut") == 0) { /* the directory */
            if (without != FSYNC_OF_FOLDER) {
                d->flushed = d->live;
                d->n = 0;
            }
        } else if (without != FSYNC_OF_FILES) {
            assert_non_null(f);
            flush(f);
        }
        break;
    case JOURNAL_RENAME:
        assert_non_null(f);
        did(d, name, base_name(to), f);
        d->renames++;
        break;
    case JOURNAL_LINK:
        assert_non_null(f);
        did(d, "", base_name(to), f);
        break;
    case JOURNAL_UNLINK: did(d, name, "", NULL); break;
    }
}

static void replay(const char *journal, size_t size, omission without, disk *d)
{
    *d = (disk){.told = -1};
    for (size_t at = 0; at < size && d->n < MOST_PENDING - 1;) {
        journal_entry e;
        char path[4096], to[4096];
        assert_true(size - at >= sizeof e);
        memcpy(&e, journal + at, sizeof e);
        at += sizeof e;
        assert_true(e.path_bytes < sizeof path && e.to_bytes < sizeof to);
        assert_true(size - at >= (size_t)e.path_bytes + e.to_bytes + (size_t)e.size);
        snprintf(path, sizeof path, "%.*s", (int)e.path_bytes, journal + at);
        snprintf(to, sizeof to, "%.*s", (int)e.to_bytes, journal + at + e.path_bytes);
        at += (size_t)e.path_bytes + e.to_bytes;
        play(d, &e, path, to, journal + at, without);
        at += (size_t)e.size;
        cut(d);
    }
}

static void test_power_cut(void **state)
{
    (void)state;
    if (!can_preload()) skip();
    /* The log grows while a file is written, so the order of calls is that of two threads. */
    if (shell("FAULTS_JOURNAL=$PWD/journal FAULTS_UNDER=/cut/ " FAULTS "$T translate train " TOY
              "--epochs 2 --quiet --log-every 2 --save-every 0.000001 "
              "--keep-last 3 --out cut") != 0)
        fail_msg("%s", err);
    size_t size;
    char *journal = slurp("journal", &size);
    assert_non_null(journal);
    static disk d; /* files are not freed: pointers to them are in many places */
    replay(journal, size, NOTHING, &d);
    print_message("%lld saves, %lld states of the disk, %d of them broken\n", (long long)d.saves,
                  (long long)d.states, d.broken);
    if (d.broken) fail_msg("%s", d.first);
    assert_true(d.saves > 10 && d.renames > d.saves && d.states > 10 * d.saves);
    replay(journal, size, FSYNC_OF_FILES, &d);
    assert_true(d.broken > 0);
    replay(journal, size, FSYNC_OF_FOLDER, &d);
    assert_true(d.broken > 0);
    free(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_power_cut)};
    return cmocka_run_group_tests(tests, set_up_in_memory, tear_down_tool);
}
