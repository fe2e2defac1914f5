/* Streams of text: shards one behind the other, sides in lockstep. */
#include <wengert/stream.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <wengert/memory.h>
#include <wengert/rng.h>

#include "shuffle.h"
#include "textfile_private.h"

struct wg_stream {
    int sides, files; /* files: sides that have readers; 1 of 2 for `source ||| target` */
    size_t n;         /* shards a side */
    char **path[2];
    int64_t *order; /* [n]: shards of this pass */
    wg_reader_options reader_options;
    uint64_t shard;       /* in order; n = at the end */
    wg_reader *reader[2]; /* of that shard; NULL at the end */
    uint64_t line;        /* of the pair handed out last, in its shard */
    uint64_t last;        /* shard it stands in */
    uint64_t lines;
    wg_reader_stats sum[2]; /* of the shards behind */
    bool hashing;
    bool hashed; /* all was read from the start, in order: hash is that of the files */
    wg__sha256 hash[2];
};

static wg_status no_memory(wg_error *err)
{
    return wg_error_set(err, WG_ENOMEM, "text stream: out of memory");
}

static const char *path_of(const wg_stream *s, int side, uint64_t shard)
{
    return s->path[side < s->files ? side : 0][s->order[shard < s->n ? shard : s->n - 1]];
}

static void close_readers(wg_stream *s)
{
    for (int side = 0; side < 2; side++) {
        wg_reader_close(s->reader[side]);
        s->reader[side] = NULL;
    }
}

/* Opens the readers of shard s->shard. */
static wg_status open_readers(wg_stream *s, wg_error *err)
{
    wg_reader_options o = s->reader_options;
    if (!s->hashing) o.skip_sha256 = true;
    for (int side = 0; side < s->files; side++) {
        const wg__sha256 *hash = s->hashing && s->shard > 0 ? &s->hash[side] : NULL;
        wg_status status =
            wg__reader_open(path_of(s, side, s->shard), &o, hash, &s->reader[side], err);
        if (status != WG_OK) return status;
    }
    return WG_OK;
}

static wg_reader_stats add_stats(wg_reader_stats a, wg_reader_stats b)
{
    a.lines += b.lines;
    a.bytes += b.bytes;
    a.bytes_stored += b.bytes_stored;
    a.crlf_lines += b.crlf_lines;
    a.replaced += b.replaced;
    a.normalized += b.normalized;
    a.gzip = a.gzip || b.gzip;
    a.bom = a.bom || b.bom;
    a.unterminated = b.unterminated;
    return a;
}

/* From one shard to the next. */
static wg_status next_shard(wg_stream *s, wg_error *err)
{
    for (int side = 0; side < s->files; side++) {
        s->sum[side] = add_stats(s->sum[side], wg_reader_get_stats(s->reader[side]));
        if (s->hashing && !wg__reader_hash(s->reader[side], &s->hash[side])) s->hashing = false;
    }
    close_readers(s);
    s->shard++;
    if (s->shard < s->n) return open_readers(s, err);
    s->hashed = s->hashing;
    return WG_OK;
}

static wg_status copy_paths(wg_stream *s, int side, const char *const *path, wg_error *err)
{
    s->path[side] = wg_calloc(s->n, sizeof *s->path[side]);
    if (!s->path[side]) return no_memory(err);
    for (size_t i = 0; i < s->n; i++) {
        if (!path[i] || !*path[i]) return wg_error_set(err, WG_EINVAL, "file name is empty");
        s->path[side][i] = wg_strdup(path[i]);
        if (!s->path[side][i]) return no_memory(err);
    }
    return WG_OK;
}

static wg_status check_options(const wg_stream_options *o, wg_error *err)
{
    if (!o || o->size < sizeof *o || o->sides < 1 || o->sides > 2)
        return wg_error_set(err, WG_EINVAL, "text stream: one or two sides");
    if (!o->source || o->n_source == 0 || o->n_source > INT32_MAX)
        return wg_error_set(err, WG_EINVAL, "text stream: no files");
    if (o->target && (o->sides == 1 || o->n_target == 0))
        return wg_error_set(err, WG_EINVAL, "text stream: files of a side that is not there");
    if (o->target && o->n_target != o->n_source)
        return wg_error_set(err, WG_EINVAL,
                            "%zu source files (%s ...) but %zu target files (%s ...): each must "
                            "stand beside its translation",
                            o->n_source, o->source[0], o->n_target, o->target[0]);
    size_t standard = 0;
    for (int side = 0; side < (o->target ? 2 : 1); side++)
        for (size_t i = 0; i < o->n_source; i++) {
            const char *path = (side ? o->target : o->source)[i];
            standard += path && strcmp(path, "-") == 0;
        }
    if (standard > 1) return wg_error_set(err, WG_EINVAL, "text stream: only one file can be '-'");
    return WG_OK;
}

wg_status wg_stream_open(const wg_stream_options *o, wg_stream **out, wg_error *err)
{
    *out = NULL;
    wg_status status = check_options(o, err);
    if (status != WG_OK) return status;
    wg_stream *s = wg_calloc(1, sizeof *s);
    if (!s) return no_memory(err);
    s->sides = o->sides;
    s->files = o->target ? 2 : 1;
    s->n = o->n_source;
    s->reader_options = o->reader;
    s->reader_options.size = sizeof s->reader_options;
    s->hashing = !o->reader.skip_sha256;
    s->order = wg_reallocarray(NULL, s->n, sizeof *s->order);
    if (!s->order) status = no_memory(err);
    for (size_t i = 0; i < s->n && s->order; i++) s->order[i] = (int64_t)i;
    if (status == WG_OK) status = copy_paths(s, 0, o->source, err);
    if (status == WG_OK && o->target) status = copy_paths(s, 1, o->target, err);
    if (status == WG_OK) status = open_readers(s, err);
    if (status != WG_OK) {
        wg_stream_close(s);
        return status;
    }
    *out = s;
    return WG_OK;
}

void wg_stream_close(wg_stream *s)
{
    if (!s) return;
    close_readers(s);
    for (int side = 0; side < 2; side++) wg_paths_free(s->path[side], s->n);
    wg_free(s->order);
    wg_free(s);
}

int wg_stream_sides(const wg_stream *s)
{
    return s->sides;
}

/* Cuts `source ||| target` at the only token "|||", and the blanks around it off. */
static wg_status split_joint(const wg_stream *s, const char *text[2], size_t length[2],
                             wg_error *err)
{
    const char *at = text[0], *end = at + length[0], *token, *bar = NULL;
    size_t size;
    int bars = 0;
    while (wg_next_token(&at, end, &token, &size))
        if (size == 3 && memcmp(token, "|||", 3) == 0) {
            bars++;
            bar = token;
        }
    if (bars != 1)
        return wg_error_set(err, WG_EFORMAT,
                            "%s:%" PRIu64 ": expected 'source ||| target', but ' ||| ' stands %s",
                            wg_stream_name(s, 0), s->line, bars ? "more than once" : "nowhere");
    text[1] = bar + 3;
    while (text[1] < end && (*text[1] == ' ' || *text[1] == '\t')) text[1]++;
    while (bar > text[0] && (bar[-1] == ' ' || bar[-1] == '\t')) bar--;
    length[0] = (size_t)(bar - text[0]);
    length[1] = (size_t)(end - text[1]);
    return WG_OK;
}

/* One file of a pair has ended: counts the other to its end, to say by how much they differ. */
static wg_status mismatch(wg_stream *s, int longer, wg_error *err)
{
    const char *text;
    size_t length;
    do {
        wg_status status = wg_reader_line(s->reader[longer], &text, &length, err);
        if (status != WG_OK) return status;
    } while (text);
    uint64_t lines[2];
    for (int side = 0; side < 2; side++) lines[side] = wg_reader_tell(s->reader[side]).line;
    return wg_error_set(err, WG_EFORMAT,
                        "%s has %" PRIu64 " lines, but %s has %" PRIu64
                        ": each line must stand beside its translation",
                        wg_reader_name(s->reader[0]), lines[0], wg_reader_name(s->reader[1]),
                        lines[1]);
}

wg_status wg_stream_next(wg_stream *s, const char *text[2], size_t length[2], wg_error *err)
{
    wg_status status;
    for (;;) {
        text[0] = text[1] = NULL;
        length[0] = length[1] = 0;
        if (s->shard >= s->n) return WG_OK;
        if (!s->reader[0] || (s->files == 2 && !s->reader[1]))
            return wg_error_set(err, WG_ESTATE, "text stream: goes on after an error");
        for (int side = 0; side < s->files; side++) {
            status = wg_reader_line(s->reader[side], &text[side], &length[side], err);
            if (status != WG_OK) return status;
        }
        if (s->files == 2 && !text[0] != !text[1]) {
            status = mismatch(s, text[0] ? 0 : 1, err);
            text[0] = text[1] = NULL;
            return status;
        }
        if (text[0]) break;
        status = next_shard(s, err);
        if (status != WG_OK) return status;
    }
    s->lines++;
    s->last = s->shard;
    s->line = wg_reader_tell(s->reader[0]).line;
    return s->sides == 2 && s->files == 1 ? split_joint(s, text, length, err) : WG_OK;
}

const char *wg_stream_name(const wg_stream *s, int side)
{
    const wg_reader *reader = s->reader[side < s->files ? side : 0];
    if (reader && s->last == s->shard) return wg_reader_name(reader);
    const char *path = path_of(s, side, s->last);
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

uint64_t wg_stream_line(const wg_stream *s)
{
    return s->line;
}

static void forget(wg_stream *s)
{
    close_readers(s);
    s->line = s->lines = 0;
    memset(s->sum, 0, sizeof s->sum);
    s->hashed = false;
}

wg_status wg_stream_rewind(wg_stream *s, bool shuffle, uint64_t seed, uint64_t pass, wg_error *err)
{
    forget(s);
    for (size_t i = 0; i < s->n; i++) s->order[i] = (int64_t)i;
    if (shuffle) {
        wg_rng rng;
        char stream[48];
        snprintf(stream, sizeof stream, "io.stream.%" PRIu64, pass);
        wg_rng_init(&rng, seed, stream);
        wg__shuffle(s->order, (int64_t)s->n, &rng);
    }
    s->hashing = !s->reader_options.skip_sha256 && !shuffle;
    s->shard = s->last = 0;
    return open_readers(s, err);
}

wg_stream_place wg_stream_tell(const wg_stream *s)
{
    wg_stream_place place = {.shard = s->shard};
    for (int side = 0; side < s->files && s->reader[side]; side++)
        place.at[side] = wg_reader_tell(s->reader[side]);
    return place;
}

wg_status wg_stream_seek(wg_stream *s, wg_stream_place place, wg_error *err)
{
    if (place.shard > s->n || (place.shard == s->n && place.at[0].byte > 0))
        return wg_error_set(err, WG_EINVAL,
                            "text stream: a place in file %" PRIu64
                            " of %zu; are these the files of before?",
                            place.shard + 1, s->n);
    if (s->files == 2 && place.at[0].line != place.at[1].line)
        return wg_error_set(err, WG_EINVAL, "text stream: a place in two different lines");
    forget(s);
    s->hashing = false;
    s->shard = s->last = place.shard;
    if (s->shard == s->n) return WG_OK;
    wg_status status = open_readers(s, err);
    for (int side = 0; side < s->files && status == WG_OK; side++)
        if (place.at[side].byte > 0) {
            status = wg_reader_seek(s->reader[side], place.at[side], err);
        } else if (place.at[side].line > 0) {
            status = wg_error_set(err, WG_EINVAL, "text stream: a place that cannot be");
        }
    return status;
}

wg_stream_stats wg_stream_get_stats(const wg_stream *s)
{
    wg_stream_stats stats = {.lines = s->lines};
    for (int side = 0; side < s->files; side++) {
        stats.reader[side] = s->sum[side];
        if (s->reader[side])
            stats.reader[side] = add_stats(s->sum[side], wg_reader_get_stats(s->reader[side]));
    }
    return stats;
}

wg_status wg_stream_sha256(const wg_stream *s, int side, char hex[65], wg_error *err)
{
    hex[0] = '\0';
    if (!s->hashed || side < 0 || side >= s->files)
        return wg_error_set(err, WG_ESTATE,
                            "text stream: its SHA-256 is known once all was read in order");
    wg__sha256 whole = s->hash[side];
    wg__sha256_hex(&whole, hex);
    return WG_OK;
}
