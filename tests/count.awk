# Counts test cases in a JUnit file of ctest.
#
# A cmocka program counts once for each of its cases, any other test once. A test that did not pass
# counts as at least one failure, whatever it printed: a crash leaves no line of its own.
# Prints "N passed, N failed, N skipped", and the names of failed and skipped tests to the file LIST.

/^\t<testcase / {
    name = attribute("name")
    status = attribute("status")
    ok = failed = skipped = 0
    excused = 0
}
/<skipped message="SKIP_/ { excused = 1 }
{
    line = $0
    sub(/^[ \t]*<system-out>/, "", line)
}
line ~ /^\[       OK \] / { ok++ }
line ~ /^\[  SKIPPED \] [^0-9]/ {
    skipped++
    sub(/^\[  SKIPPED \] /, "", line)
    print "skipped: " name ": " line > LIST
}
line ~ /^\[  FAILED  \] [^0-9]/ { failed++ }
line ~ /^\[  ERROR   \] / { failed++ }
/^\t<\/testcase>/ {
    if (status == "run") {
        # A program that passed has no failed case; what it printed cannot make one.
        passed_all += (ok + skipped > 0) ? ok : 1
        skipped_all += skipped
    } else if (excused || status == "disabled") {
        skipped_all++
        print "skipped: " name > LIST
    } else {
        passed_all += ok
        skipped_all += skipped
        # cmocka lists its failures twice: as they happen and again at the end.
        failed_all += failed > 0 ? failed_cases(failed) : 1
        print "failed: " name > LIST
    }
}
END { printf "%d passed, %d failed, %d skipped\n", passed_all, failed_all, skipped_all }

function attribute(key,    rest) {
    rest = $0
    if (!sub(".* " key "=\"", "", rest)) return ""
    sub(/".*/, "", rest)
    return rest
}
function failed_cases(lines) { return int((lines + 1) / 2) }
