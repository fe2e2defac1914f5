# Counts test cases in a JUnit file of ctest.
#
# A cmocka program counts once for each of its cases, any other test once. A test that did not pass
# counts as at least one failure, whatever it printed: a crash leaves no line of its own, and a case
# that began and did not end failed.
# Prints "N passed, N failed, N skipped", and the names of failed and skipped tests to the file LIST.

function attribute(key,    rest) {
    rest = $0
    if (!sub(".* " key "=\"", "", rest)) return ""
    sub(/".*/, "", rest)
    return rest
}

/^\t<testcase / {
    name = attribute("name")
    status = attribute("status")
    begun = ok = skipped = excused = 0
    split("", seen)
}
/^\t\t<skipped message="SKIP_/ { excused = 1 }
# What a program writes to stderr may stand before these marks, on the same line.
/\[ RUN      \] / { begun++ }
/\[       OK \] / { ok++ }
/\[  SKIPPED \] [A-Za-z_]/ {
    # cmocka says it as it happens, and again at the end.
    case_name = $0
    sub(/.*\[  SKIPPED \] /, "", case_name)
    if (!(case_name in seen)) {
        seen[case_name] = 1
        skipped++
        print "skipped: " name ": " case_name > LIST
    }
}
/^\t<\/testcase>/ {
    if (status == "run") {
        passed_all += begun > 0 ? begun - skipped : 1
        skipped_all += skipped
    } else if (excused || status == "disabled") {
        skipped_all++
        print "skipped: " name > LIST
    } else {
        lost = begun - ok - skipped
        passed_all += ok
        skipped_all += skipped
        failed_all += lost > 0 ? lost : 1
        print "failed: " name > LIST
    }
}
END { printf "%d passed, %d failed, %d skipped\n", passed_all, failed_all, skipped_all }
