# Does a program print what its page says? Arguments: the page's block, then what was printed.
#
# Lines are equal, or differ in numbers with a point or an exponent alone: those may be off by a
# thousandth, or both be rounding errors (below 1e-6), because they depend on the instruction set.
# In the block "..." stands for any text, and a line of "..." for any number of lines.
function number(t)
{
    return t ~ /^[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?$/ && t ~ /[.eE]/
}
function size(x)
{
    return x < 0 ? -x : x
}
function same(a, b, n, m, i, x, y, s, t)
{
    if (a == b) return 1
    if (a ~ /\.\.\./) {
        gsub(/[][\\.*+?(){}|^$]/, "\\\\&", a)
        gsub(/\\\.\\\.\\\./, ".*", a)
        return b ~ ("^" a "$")
    }
    n = split(a, s, /[ \t,:;()=]+/)
    m = split(b, t, /[ \t,:;()=]+/)
    if (n != m) return 0
    for (i = 1; i <= n; i++) {
        if (s[i] == t[i]) continue
        if (!number(s[i]) || !number(t[i])) return 0
        x = s[i] + 0
        y = t[i] + 0
        if (size(x) < 1e-6 && size(y) < 1e-6) continue
        if (size(x - y) > 1e-3 * size(x)) return 0
    }
    return 1
}
# Do the page's lines from i and the printed ones from j agree?
function agree(i, j)
{
    for (; i <= wanted; i++) {
        if (want[i] == "...") {
            for (; j <= printed + 1; j++)
                if (agree(i + 1, j)) return 1
            return 0
        }
        if (j > printed || !same(want[i], got[j])) return 0
        j++
    }
    return j > printed
}
FILENAME == ARGV[1] { want[++wanted] = $0; next }
{ got[++printed] = $0 }
END { exit !agree(1, 1) }
