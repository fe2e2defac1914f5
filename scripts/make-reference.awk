# One public header to one page of the reference; run by make-reference.sh.
#
# Outside of braces a header is a sequence of items: a comment, and the declarations up to the next
# comment or blank line. An item becomes a heading (what it declares), the comment as text, and the
# declarations as code. "/* ---- Title ---- */" becomes a heading of its own. Include guards,
# conditionals, includes, internal names (wg__, WG__) and the macros that note the caller's place are
# left out.
#
# Variable: NAME ("tensor.h").

# Characters that Markdown would read; indented lines are code as they are.
function escaped(line)
{
    if (line ~ /^    /) return line
    gsub(/\\/, "\\\\", line)
    gsub(/[<*|]/, "\\\\&", line)
    sub(/^\+/, "\\+", line)
    sub(/^#/, "\\#", line)
    return line
}

# Text of a comment line without its stars.
function bare(line)
{
    sub(/^[ \t]*\/\*[ \t]?/, "", line)
    sub(/[ \t]*\*\/[ \t]*$/, "", line)
    sub(/^ \*[ ]?/, "", line)
    sub(/[ \t]+$/, "", line)
    return line
}

function add_name(name)
{
    if (name == "" || (name in named)) return
    named[name] = 1
    names = names (names == "" ? "" : ", ") "`" name "`"
}

# What a declaration declares, for the heading.
function note_names(line, rest)
{
    if (line ~ /^#define /) {
        rest = line
        sub(/^#define /, "", rest)
        sub(/[^A-Za-z0-9_].*/, "", rest)
        add_name(rest)
    } else if (line ~ /^typedef .*\(\*[A-Za-z0-9_]+\)/) {
        rest = line
        sub(/^[^(]*\(\*/, "", rest)
        sub(/\).*/, "", rest)
        add_name(rest)
    } else if (line ~ /^(typedef )?(struct|enum) wg_[A-Za-z0-9_]+/) {
        rest = line
        sub(/^(typedef )?(struct|enum) /, "", rest)
        sub(/[^A-Za-z0-9_].*/, "", rest)
        add_name(rest)
    } else if (match(line, /wg_[A-Za-z0-9_]+\(/) && line !~ /^[ \t]/) {
        add_name(substr(line, RSTART, RLENGTH - 1))
    } else if (match(line, /^typedef .* wg_[A-Za-z0-9_]+;/)) {
        rest = line
        sub(/;.*/, "", rest)
        sub(/.* /, "", rest)
        add_name(rest)
    }
}

function flush_item(i)
{
    if (n_code == 0 && n_text > 0 && !introduced) {
        for (i = 1; i <= n_text; i++) print escaped(text[i])
        print ""
        introduced = 1
    } else if (n_code == 0 && n_text == 1 && text[1] ~ /^---- .* ----$/) {
        sub(/^---- /, "", text[1])
        sub(/ ----$/, "", text[1])
        print "## " escaped(text[1]) "\n"
    } else if (n_code > 0 || n_text > 0) {
        if (names != "") print "### " names "\n"
        for (i = 1; i <= n_text; i++) print escaped(text[i])
        if (n_text) print ""
        if (n_code) {
            print "```c"
            for (i = 1; i <= n_code; i++) print code[i]
            print "```\n"
        }
    }
    n_text = n_code = 0
    names = ""
}

function skip_macro()
{
    in_macro = $0 ~ /\\$/
}

BEGIN { print "# `<wengert/" NAME ">`\n" }

# The rest of a macro that is left out, or whose first line is enough.
in_macro { in_macro = $0 ~ /\\$/; next }
# A comment at the start of a line.
in_comment {
    closes = index($0, "*/") > 0
    line = bare($0)
    if (line != "" || !closes) text[++n_text] = line
    if (closes) in_comment = 0
    next
}
in_skipped { # an internal inline function
    if ($0 ~ /^}/) in_skipped = 0
    next
}
depth == 0 && /^\/\*/ {
    flush_item()
    line = bare($0)
    in_comment = index($0, "*/") == 0
    if (line != "") text[++n_text] = line
    next
}
depth == 0 && /^[ \t]*$/ { flush_item(); next }
/^WG_(BEGIN|END)_DECLS/ { next }
/^#ifndef WENGERT_/ { flush_item(); next } # the include guard: what was before it introduces the page
/^[ \t]*#[ \t]*(if|ifdef|ifndef|else|elif|endif|include|undef)/ { next }
depth == 0 && /^#define (WG__|wg_|[A-Z_]*_H$|[A-Z_]*_H )/ { n_text = 0; skip_macro(); next }
depth == 0 && /^#define / {
    line = $0
    sub(/^#define /, "", line)
    sub(/[^A-Za-z0-9_].*/, "", line)
    if (line in defined) { # another case of a conditional
        skip_macro()
        next
    }
    defined[line] = 1
    note_names($0)
    # Lists (X-macros) are shown whole; of other long macros the first line says what is given.
    if ($0 !~ /_MAP\(/ && $0 ~ /\\$/) {
        line = $0
        sub(/[ \t]*\\$/, "", line)
        code[++n_code] = line
        skip_macro()
        next
    }
    line = $0
    sub(/ "?@[A-Z_]+@"?$/, "", line) # filled in by the build
    code[++n_code] = line
    in_list = $0 ~ /\\$/
    next
}
in_list { code[++n_code] = $0; in_list = $0 ~ /\\$/; next }
depth == 0 && /wg__/ { n_text = 0; in_skipped = $0 !~ /;[ \t]*$/; next }
{
    line = $0
    if (sub(/^WG_API /, "", line)) api = 1
    else if (api && depth == 0) sub(/^       /, "", line) # stays below the bracket
    if (line ~ /;[ \t]*$/) api = 0
    if (depth == 0) note_names(line)
    code[++n_code] = line
    gsub(/"[^"]*"/, "", line)
    sub(/\/\*.*/, "", line)
    depth += gsub(/[{]/, "", line)
    depth -= gsub(/[}]/, "", line)
}
END { flush_item() }
