/* `wengert new cell NAME`: a commented source file of a recurrent cell, ready to be built as a
 * plugin, checked and trained with. */
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wengert/cell.h>

#include "new_cell_template.h"

#define LONGEST_NAME 63

static bool is_keyword(const char *name)
{
    static const char *const words[] = {
        "auto",     "break",   "case",    "char",     "const",     "continue",      "default",
        "do",       "double",  "else",    "enum",     "extern",    "float",         "for",
        "goto",     "if",      "inline",  "int",      "long",      "main",          "register",
        "restrict", "return",  "short",   "signed",   "sizeof",    "static",        "struct",
        "switch",   "typedef", "union",   "unsigned", "void",      "volatile",      "while",
        "bool",     "true",    "false",   "nullptr",  "constexpr", "static_assert", "thread_local",
        "typeof",   "alignas", "alignof",
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(name, words[i]) == 0) return true;
    return false;
}

/* 0 when `name` can name a C function, a file and a cell. */
static int check_name(const cli_args *args, const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    size_t first = strspn(name, letters), n = strlen(name), all = 0;
    while (name[all] && (strchr(letters, name[all]) || (name[all] >= '0' && name[all] <= '9')))
        all++;
    if (first == 0 || all != n || n > LONGEST_NAME)
        return cli_usage_error(args,
                               "'%s' is not a C identifier (letters, digits and '_', at most %d, "
                               "no digit first)",
                               name, LONGEST_NAME);
    if (is_keyword(name)) return cli_usage_error(args, "'%s' is a word of the C language", name);
    if (strncmp(name, "wg_", 3) == 0 || name[0] == '_')
        return cli_usage_error(args, "'%s' is reserved: names of the library begin with wg_", name);
    if (wg_find_cell(name))
        return cli_usage_error(args, "a cell '%s' is there already; choose another name", name);
    return CLI_FINE;
}

/* The template with @NAME@ replaced. */
static bool write_template(FILE *out, const char *name)
{
    static const char mark[] = "@NAME@";
    const char *text = cli_new_cell_template;
    for (const char *at; (at = strstr(text, mark)); text = at + sizeof mark - 1) {
        if (fwrite(text, 1, (size_t)(at - text), out) != (size_t)(at - text)) return false;
        if (fputs(name, out) < 0) return false;
    }
    return fputs(text, out) >= 0;
}

static int write_file(const char *path, const char *name)
{
    /* O_EXCL: never over a file that is there, not even by a race or through a link. */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return cli_error("'%s' exists already; nothing was written", path);
    if (fd < 0) return cli_error("cannot create '%s': %s", path, strerror(errno));
    FILE *out = fdopen(fd, "w");
    if (!out) close(fd);
    bool written = out && write_template(out, name);
    int why = errno;
    if (out && fclose(out) != 0) {
        if (written) why = errno;
        written = false;
    }
    if (written) return CLI_FINE;
    unlink(path);
    return cli_error("cannot write '%s': %s", path, strerror(why));
}

/* Where pkg-config finds the wengert that this tool belongs to: the build tree, or an installation
 * outside the places it knows by itself. "" when it needs no help. */
static void pkg_config_dir(char *buf, size_t size)
{
    char self[2048], pattern[2200];
    buf[0] = '\0';
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return;
    self[n] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(self, '/');
        if (!slash) return;
        *slash = '\0';
    }
    snprintf(pattern, sizeof pattern, "%s/wengert-uninstalled.pc", self);
    if (access(pattern, R_OK) == 0) {
        snprintf(buf, size, "%s", self);
        return;
    }
    if (strcmp(self, "/usr") == 0 || strcmp(self, "/usr/local") == 0) return;
    static const char *const places[] = {"lib", "lib64", "lib/*"};
    for (size_t i = 0; i < sizeof places / sizeof places[0] && !*buf; i++) {
        glob_t found;
        snprintf(pattern, sizeof pattern, "%s/%s/pkgconfig/wengert.pc", self, places[i]);
        if (glob(pattern, 0, NULL, &found) != 0) continue;
        if (found.gl_pathc)
            snprintf(buf, size, "%.*s", (int)(strlen(found.gl_pathv[0]) - strlen("/wengert.pc")),
                     found.gl_pathv[0]);
        globfree(&found);
    }
}

/* A word of a shell command, quoted where it must be. */
static void put_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./+:,@%=";
    if (*word && word[strspn(word, plain)] == '\0') {
        fputs(word, stdout);
        return;
    }
    putchar('\'');
    for (; *word; word++) {
        if (*word == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*word);
    }
    putchar('\'');
}

/* What starts this very tool in a shell: its name where PATH leads to it, else its path. */
static void tool_word(char *buf, size_t size)
{
    char self[PATH_MAX], found[PATH_MAX];
    const char *path = getenv("PATH");
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    snprintf(buf, size, "wengert");
    if (n <= 0) return;
    self[n] = '\0';
    while (path && *path) {
        char candidate[PATH_MAX];
        size_t length = strcspn(path, ":");
        snprintf(candidate, sizeof candidate, "%.*s/wengert", (int)length, length ? path : ".");
        if (access(candidate, X_OK) == 0) {
            if (realpath(candidate, found) && strcmp(found, self) == 0) return;
            break; /* another wengert comes first */
        }
        path += length + (path[length] == ':');
    }
    snprintf(buf, size, "%s", self);
}

static void next_steps(const char *dir, const char *name)
{
    char where[2048], source[4200], plugin[4200], tool[PATH_MAX];
    pkg_config_dir(where, sizeof where);
    tool_word(tool, sizeof tool);
    if (strcmp(dir, ".") == 0)
        snprintf(source, sizeof source, "%s.c", name);
    else
        snprintf(source, sizeof source, "%s/%s.c", dir, name);
    snprintf(plugin, sizeof plugin, "%s/%s.so", dir, name);
    fputs("Written: ", stdout);
    put_word(source);
    fputs("\n\nBuild it:\n    cc -std=c17 -O2 -fPIC -shared $(", stdout);
    if (*where) {
        fputs("PKG_CONFIG_PATH=", stdout);
        put_word(where);
        putchar(' ');
    }
    fputs("pkg-config --cflags wengert) -o ", stdout);
    put_word(plugin);
    putchar(' ');
    put_word(source);
    fputs("\nCheck its gradients:\n    ", stdout);
    put_word(tool);
    fputs(" gradcheck --plugin ", stdout);
    put_word(plugin);
    printf(" --cell %s\nTrain a translator with it:\n    ", name);
    put_word(tool);
    fputs(" translate train --plugin ", stdout);
    put_word(plugin);
    printf(" --cell %s --source train.en --target train.fr --out model\n", name);
}

static int run_new_cell(const cli_args *args)
{
    const char *name = cli_arg(args, "NAME"), *dir = cli_string(args, "out");
    char path[4200];
    int status = check_name(args, name);
    if (status != CLI_FINE) return status;
    if ((size_t)snprintf(path, sizeof path, "%s/%s.c", dir, name) >= sizeof path ||
        strlen(dir) > 4096)
        return cli_error("option '--out': the name of the directory is too long");
    status = write_file(path, name);
    if (status == CLI_FINE) next_steps(dir, name);
    return status;
}

const cli_command cli_command_new_cell = {
    .path = {"new", "cell"},
    .summary = "write the source of a recurrent cell to start from",
    .description =
        "Writes NAME.c: a working cell (a minimal gated unit) with comments at every place that "
        "you will want to change, and prints the lines that build it as a plugin, check its "
        "gradients and train a translator with it. A file that exists is never overwritten.",
    .operands =
        (const cli_operand[]){
            {.name = "NAME", .help = "Name of the cell and of the file, a C identifier"},
            {0},
        },
    .options =
        (const cli_option[]){
            {.name = "out",
             .kind = CLI_PATH,
             .metavar = "DIR",
             .fallback = ".",
             .help = "Directory to write into; it must exist"},
            {0},
        },
    .examples =
        (const cli_example[]){
            {"Start a cell of your own", "wengert new cell mycell"},
            {"The same, elsewhere", "wengert new cell mycell --out ~/cells"},
            {0},
        },
    .run = run_new_cell,
};
