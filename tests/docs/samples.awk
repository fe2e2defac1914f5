# Takes a page of documentation apart. Fenced blocks by their info string:
#
#   c program [FILE]   a complete program: FILE (or sample-LINE.c) in DIR, listed in STEPS
#   sh run             commands, run in DIR: sample-LINE.sh, listed in STEPS
#   output             what the sample before it prints: sample-LINE.out, listed with it
#   LANGUAGE file FILE written as FILE for the samples that follow
#
# Variables: DIR, STEPS (a file: "kind file line wanted-output" a line, "-" for no output block).
function flush_step()
{
    if (kind != "") print kind, file, at, wanted >STEPS
    kind = ""
}
/^ *```/ && !inside {
    inside = 1
    target = ""
    info = $0
    sub(/^ *```/, "", info)
    n = split(info, word, " ")
    if (word[1] == "output" && kind != "" && wanted == "-") {
        target = wanted = "sample-" at ".out"
    } else if (word[1] == "output") {
        print FILENAME ":" NR ": an output block that follows no sample" >"/dev/stderr"
        status = 1
    } else if (word[2] == "program" || word[2] == "run") {
        flush_step()
        kind = word[1] == "sh" ? "sh" : "c"
        at = NR
        file = n > 2 ? word[3] : "sample-" NR "." kind
        wanted = "-"
        target = file
    } else if (word[2] == "file" && n > 2) {
        target = word[3]
    }
    if (target != "") printf "" >(DIR "/" target)
    next
}
/^ *```/ {
    inside = 0
    if (target != "") close(DIR "/" target)
    next
}
inside && target != "" { print >(DIR "/" target) }
END {
    flush_step()
    if (inside) {
        print FILENAME ": a block is not closed" >"/dev/stderr"
        status = 1
    }
    exit status
}
