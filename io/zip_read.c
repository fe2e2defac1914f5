/* The directory of a zip archive, read with every field doubted.
 *
 * What is accepted: one disk, no encryption, stored or deflated members, none overlapping another
 * or the directory, every local header agreeing with the directory. */
#include "zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fileerror.h"
#include "utf8.h"

enum { END = 22, LOCATOR = 20, END64 = 56, CENTRAL = 46, LOCAL = 30 };

uint16_t wg__get16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t wg__get32(const unsigned char *p)
{
    return (uint32_t)wg__get16(p) | (uint32_t)wg__get16(p + 2) << 16;
}

uint64_t wg__get64(const unsigned char *p)
{
    return (uint64_t)wg__get32(p) | (uint64_t)wg__get32(p + 4) << 32;
}

void wg__npz_defaults(wg_npz_options *o, const wg_npz_options *given)
{
    *o = (wg_npz_options){.size = sizeof *o};
    /* Fields were added at the end: a caller built before has fewer. */
    if (given) memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    o->size = sizeof *o;
    if (!o->level) o->level = 6;
    if (!o->max_member) o->max_member = UINT64_C(64) << 30;
    if (!o->max_total) o->max_total = UINT64_C(256) << 30;
    if (!o->memory) o->memory = (size_t)64 << 20;
    if (!o->max_members) o->max_members = 1000000;
}

bool wg__zip_name_ok(const char *name, size_t length)
{
    if (length == 0 || length > WG__ZIP_MAX_NAME || wg__utf8_valid(name, length) < length)
        return false;
    size_t part = 0; /* where the path component began */
    for (size_t i = 0; i <= length; i++) {
        if (i < length && name[i] != '/') {
            unsigned char byte = (unsigned char)name[i];
            if (byte < 0x20 || byte == 0x7f || byte == '\\') return false;
            continue;
        }
        size_t size = i - part;
        if (size == 0 || (size == 1 && name[part] == '.') ||
            (size == 2 && name[part] == '.' && name[part + 1] == '.'))
            return false;
        part = i + 1;
    }
    return true;
}

typedef struct directory {
    uint64_t count, offset, size;
} directory;

static wg_status broken(const wg__source *s, const char *what, wg_error *err)
{
    return wg_error_set(err, WG_EFORMAT, "%s: damaged or cut short: %s", s->name, what);
}

/* Sections 4.3.14 to 4.3.16: the end record, behind which only its comment may stand, and its zip64
 * form in front of it. */
static wg_status find_directory(const wg__source *s, directory *d, wg_error *err)
{
    unsigned char *tail = NULL, record[END64];
    if (s->size < END) return broken(s, "too short for an .npz (zip) file", err);
    size_t size = s->size < END + 65535 ? (size_t)s->size : END + 65535;
    tail = wg_malloc(size);
    if (!tail) return wg__no_memory(err, s->name);
    uint64_t base = s->size - size;
    wg_status status = s->read_at(s->user, base, tail, size, err);
    size_t at = size - END + 1;
    bool found = false;
    while (status == WG_OK && at-- > 0) {
        if (wg__get32(tail + at) != 0x06054b50) continue;
        if (at + END + wg__get16(tail + at + 20) != size) continue;
        found = true;
        break;
    }
    if (status == WG_OK && !found)
        status = broken(s, "no zip directory at its end (not an .npz file?)", err);
    unsigned char end[END] = {0};
    if (found) memcpy(end, tail + at, END);
    wg_free(tail);
    if (status != WG_OK) return status;
    uint64_t where = base + at;
    if (wg__get16(end + 4) != 0 || wg__get16(end + 6) != 0 ||
        wg__get16(end + 8) != wg__get16(end + 10))
        return wg_error_set(err, WG_ENOTSUP, "%s: zip archives of several parts", s->name);
    d->count = wg__get16(end + 10);
    d->size = wg__get32(end + 12);
    d->offset = wg__get32(end + 16);
    if (d->count == 0xffff || d->size == 0xffffffffu || d->offset == 0xffffffffu) {
        if (where < LOCATOR + END64) return broken(s, "no zip64 record", err);
        status = s->read_at(s->user, where - LOCATOR, record, LOCATOR, err);
        if (status != WG_OK) return status;
        uint64_t at64 = wg__get64(record + 8);
        if (wg__get32(record) != 0x07064b50 || wg__get32(record + 4) != 0 ||
            at64 != where - LOCATOR - END64)
            return broken(s, "wrong zip64 locator", err);
        status = s->read_at(s->user, at64, record, END64, err);
        if (status != WG_OK) return status;
        if (wg__get32(record) != 0x06064b50 || wg__get64(record + 4) != END64 - 12 ||
            wg__get32(record + 16) != 0 || wg__get32(record + 20) != 0 ||
            wg__get64(record + 24) != wg__get64(record + 32))
            return broken(s, "wrong zip64 record", err);
        d->count = wg__get64(record + 32);
        d->size = wg__get64(record + 40);
        d->offset = wg__get64(record + 48);
        where = at64;
    }
    if (d->offset > where || d->size != where - d->offset)
        return broken(s, "the zip directory is not where it should be", err);
    if (d->count > d->size / CENTRAL) return broken(s, "more members than fit", err);
    return WG_OK;
}

bool wg__zip_read_index(const unsigned char *field, size_t size, wg__member *m, bool *memory)
{
    *memory = false;
    if (size < WG__INDEX_HEAD || memcmp(field, "WGFI\1", 5) != 0) return true;
    int log2 = field[5];
    size_t count = (size - WG__INDEX_HEAD) / 4;
    if (m->index.count || m->method != WG__ZIP_DEFLATED || wg__get16(field + 6) != 0 ||
        log2 < WG__INDEX_MIN_LOG2 || log2 > WG__INDEX_MAX_LOG2 || size % 4 != 0 || count == 0 ||
        m->size == 0 || (m->size - 1) >> log2 != count - 1)
        return false;
    uint32_t *lengths = wg_reallocarray(NULL, count, sizeof *lengths);
    if (!lengths) {
        *memory = true;
        return false;
    }
    m->index = (wg__flush_index){log2, (uint32_t)count, lengths};
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        lengths[i] = wg__get32(field + WG__INDEX_HEAD + 4 * i);
        total += lengths[i];
        /* No chunk is empty, and none expands more than deflate can. */
        uint64_t plain = i + 1 < count ? UINT64_C(1) << log2 : m->size - ((uint64_t)i << log2);
        if (lengths[i] == 0 || plain / 1032 > lengths[i]) return false;
    }
    return total == m->stored;
}

/* Walks the extra fields: the index of flush points. */
static bool read_extra(const unsigned char *extra, size_t size, wg__member *m, bool *memory)
{
    *memory = false;
    while (size >= 4) {
        size_t id = wg__get16(extra), length = wg__get16(extra + 2);
        extra += 4, size -= 4; /* that it lies inside was checked by read_zip64 */
        if (id == WG__INDEX_ID && !wg__zip_read_index(extra, length, m, memory)) return false;
        extra += length, size -= length;
    }
    return true;
}

/* Section 4.5.3: fields that are all ones in the header stand here, in this order. */
static bool read_zip64(const unsigned char *extra, size_t size, wg__member *m)
{
    bool wanted = m->size == 0xffffffffu || m->stored == 0xffffffffu || m->header == 0xffffffffu;
    while (size >= 4) {
        size_t id = wg__get16(extra), length = wg__get16(extra + 2);
        extra += 4, size -= 4;
        if (length > size) return false;
        if (id == 1 && wanted) {
            const unsigned char *p = extra, *end = extra + length;
            uint64_t *field[3] = {&m->size, &m->stored, &m->header};
            for (int i = 0; i < 3; i++) {
                if (*field[i] != 0xffffffffu) continue;
                if (end - p < 8) return false;
                *field[i] = wg__get64(p);
                p += 8;
            }
            wanted = false;
        }
        extra += length, size -= length;
    }
    return size == 0 && !wanted;
}

static wg_status bad_member(const wg__source *s, const wg__member *m, const char *what,
                            wg_error *err)
{
    return wg_error_set(err, WG_EFORMAT, "%s: member '%s': %s", s->name, m->name, what);
}

static wg_status check_sizes(const wg__source *s, const wg__member *m, const wg_npz_options *o,
                             wg_error *err)
{
    if (m->method == WG__ZIP_STORED && m->stored != m->size)
        return bad_member(s, m, "a stored member of two sizes", err);
    /* Deflate cannot expand by more than 1032 (zlib's technical notes): a larger claim is a lie. */
    if (m->method == WG__ZIP_DEFLATED && m->size / 1032 > m->stored)
        return bad_member(s, m, "claims to expand more than deflate can", err);
    if (m->size > o->max_member)
        return wg_error_set(err, WG_ELIMIT,
                            "%s: member '%s' has %" PRIu64
                            " bytes, more than the limit of %" PRIu64,
                            s->name, m->name, m->size, o->max_member);
    return WG_OK;
}

/* The local header in front of the data must say the same as the directory (4.3.7). */
static wg_status check_local(const wg__source *s, wg__member *m, uint64_t limit, uint16_t flags,
                             wg_error *err)
{
    unsigned char h[LOCAL], rest[WG__ZIP_MAX_NAME];
    if (m->header > limit || limit - m->header < LOCAL)
        return bad_member(s, m, "lies outside the file", err);
    wg_status status = s->read_at(s->user, m->header, h, LOCAL, err);
    if (status != WG_OK) return status;
    size_t name = wg__get16(h + 26), extra = wg__get16(h + 28);
    if (wg__get32(h) != 0x04034b50 || name != strlen(m->name))
        return bad_member(s, m, "wrong local header", err);
    m->data = m->header + LOCAL + name + extra;
    if (m->data > limit || m->stored > limit - m->data)
        return bad_member(s, m, "is cut short", err);
    status = s->read_at(s->user, m->header + LOCAL, rest, name, err);
    if (status != WG_OK) return status;
    if (memcmp(rest, m->name, name) != 0 || wg__get16(h + 8) != m->method ||
        ((wg__get16(h + 6) ^ flags) & 0x0009))
        return bad_member(s, m, "local header and directory disagree", err);
    /* Bit 3: CRC and sizes follow the data; the directory has them. */
    if (flags & 0x0008) return WG_OK;
    uint32_t stored = wg__get32(h + 18), size = wg__get32(h + 22);
    if (wg__get32(h + 14) != m->crc || (stored != 0xffffffffu && stored != m->stored) ||
        (size != 0xffffffffu && size != m->size))
        return bad_member(s, m, "local header and directory disagree", err);
    return WG_OK;
}

/* One entry of the directory (4.3.12); *used is its length. */
static wg_status read_entry(const wg__source *s, const unsigned char *p, size_t room,
                            const directory *d, const wg_npz_options *o, wg__member *m,
                            size_t *used, wg_error *err)
{
    if (room < CENTRAL || wg__get32(p) != 0x02014b50)
        return broken(s, "wrong entry in the zip directory", err);
    size_t name = wg__get16(p + 28), extra = wg__get16(p + 30), comment = wg__get16(p + 32);
    *used = CENTRAL + name + extra + comment;
    if (*used > room) return broken(s, "wrong entry in the zip directory", err);
    if (!wg__zip_name_ok((const char *)p + CENTRAL, name))
        return wg_error_set(err, WG_EFORMAT, "%s: a member's name is not acceptable", s->name);
    m->name = wg_malloc(name + 1);
    if (!m->name) return wg__no_memory(err, s->name);
    memcpy(m->name, p + CENTRAL, name);
    m->name[name] = '\0';
    uint16_t flags = wg__get16(p + 8);
    m->method = wg__get16(p + 10);
    m->crc = wg__get32(p + 16);
    m->stored = wg__get32(p + 20);
    m->size = wg__get32(p + 24);
    m->header = wg__get32(p + 42);
    if (flags & 0x2041)
        return wg_error_set(err, WG_ENOTSUP, "%s: member '%s' is encrypted", s->name, m->name);
    if (m->method != WG__ZIP_STORED && m->method != WG__ZIP_DEFLATED)
        return wg_error_set(err, WG_ENOTSUP, "%s: member '%s': compression method %u", s->name,
                            m->name, (unsigned)m->method);
    if (wg__get16(p + 34) != 0)
        return wg_error_set(err, WG_ENOTSUP, "%s: zip archives of several parts", s->name);
    if (!read_zip64(p + CENTRAL + name, extra, m))
        return bad_member(s, m, "wrong extra field", err);
    wg_status status = check_sizes(s, m, o, err);
    bool memory;
    if (status == WG_OK && !read_extra(p + CENTRAL + name, extra, m, &memory))
        status = memory ? wg__no_memory(err, s->name)
                        : bad_member(s, m, "damaged index of flush points", err);
    return status == WG_OK ? check_local(s, m, d->offset, flags, err) : status;
}

static int by_place(const void *x, const void *y)
{
    const wg__member *a = *(const wg__member *const *)x, *b = *(const wg__member *const *)y;
    return a->header < b->header ? -1 : a->header > b->header;
}

/* Members that share bytes are how small files claim to hold terabytes (Fifield 2019). */
static wg_status check_overlap(const wg__source *s, wg__member *members, size_t count,
                               wg_error *err)
{
    wg__member **sorted = wg_reallocarray(NULL, count, sizeof *sorted);
    if (!sorted) return wg__no_memory(err, s->name);
    for (size_t i = 0; i < count; i++) sorted[i] = &members[i];
    qsort(sorted, count, sizeof *sorted, by_place);
    wg_status status = WG_OK;
    for (size_t i = 0; i + 1 < count && status == WG_OK; i++)
        if (sorted[i]->data + sorted[i]->stored > sorted[i + 1]->header)
            status = bad_member(s, sorted[i], "overlaps another member", err);
    wg_free(sorted);
    return status;
}

wg_status wg__zip_read_directory(const wg__source *s, const wg_npz_options *o, wg__member **members,
                                 size_t *count, wg_error *err)
{
    directory d = {0};
    *members = NULL;
    *count = 0;
    wg_status status = find_directory(s, &d, err);
    if (status != WG_OK) return status;
    if (d.count > o->max_members || d.size > SIZE_MAX)
        return wg_error_set(err, WG_ELIMIT, "%s: %" PRIu64 " members, more than the limit of %u",
                            s->name, d.count, (unsigned)o->max_members);
    /* Both sizes are bounded by the size of the file. */
    unsigned char *bytes = wg_malloc((size_t)d.size);
    wg__member *m = wg_calloc((size_t)d.count, sizeof *m);
    if (!bytes || !m) status = wg__no_memory(err, s->name);
    if (status == WG_OK) status = s->read_at(s->user, d.offset, bytes, (size_t)d.size, err);
    size_t at = 0, done = 0;
    uint64_t total = 0;
    for (; status == WG_OK && done < d.count; done++) {
        size_t used = 0;
        status = read_entry(s, bytes + at, (size_t)d.size - at, &d, o, &m[done], &used, err);
        at += used;
        if (status == WG_OK && m[done].size > o->max_total - total)
            status = wg_error_set(err, WG_ELIMIT, "%s: more than the limit of %" PRIu64 " bytes",
                                  s->name, o->max_total);
        else
            total += m[done].size;
    }
    if (status == WG_OK && at != d.size) status = broken(s, "the zip directory is too long", err);
    if (status == WG_OK) status = check_overlap(s, m, (size_t)d.count, err);
    wg_free(bytes);
    if (status != WG_OK) {
        wg__zip_free(m, m ? (size_t)d.count : 0);
        return status;
    }
    *members = m;
    *count = (size_t)d.count;
    return WG_OK;
}

void wg__zip_free(wg__member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        wg_free(members[i].name);
        wg_free(members[i].index.lengths);
    }
    wg_free(members);
}
