#!/bin/sh
# tests/count.awk counts honestly: skipped cases inside passing programs, crashes, programs that
# could not start, and output that only looks like a result.
set -u
cd "${WENGERT_SOURCE_DIR:?}" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
status=0

# expect WANTED: counts $work/body wrapped as a test suite.
expect() {
    {
        printf '<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name="(empty)"\n\ttests="1"\n\t>\n'
        cat "$work/body"
        printf '</testsuite>\n'
    } >"$work/results.xml"
    : >"$work/list"
    got=$(LC_ALL=C awk -v LIST="$work/list" -f tests/count.awk "$work/results.xml")
    if [ "$got" != "$1" ]; then
        cat "$work/body" >&2
        echo "counted '$got', wanted '$1'" >&2
        status=1
    fi
}
# testcase STATUS ELEMENT OUTPUT: one test, as ctest writes it.
testcase() {
    printf '\t<testcase name="a.b" classname="a.b" time="0.1" status="%s">\n' "$1"
    [ -z "$2" ] || printf '\t\t%s\n' "$2"
    printf '\t\t<system-out>%b</system-out>\n\t</testcase>\n' "$3"
}
run='[ RUN      ]'
ok='[       OK ]'
skip='[  SKIPPED ]'
bad='[  FAILED  ]'

testcase run '' "$run a\n$ok a\n$run b\n$ok b\n" >"$work/body"
expect "2 passed, 0 failed, 0 skipped"

testcase run '' "a script's own words\n" >"$work/body"
expect "1 passed, 0 failed, 0 skipped"

testcase run '' "$run a\n$ok a\n$run b\n$skip b\n$skip 1 test(s), listed below:\n$skip b\n" \
    >"$work/body"
expect "1 passed, 0 failed, 1 skipped"
grep -qx 'skipped: a.b: b' "$work/list" || { echo "the skipped case is not named" >&2; status=1; }

testcase notrun '<skipped message="SKIP_RETURN_CODE=77"/>' '' >"$work/body"
expect "0 passed, 0 failed, 1 skipped"

testcase notrun '<skipped message="Unable to find executable"/>' 'Unable to find' >"$work/body"
expect "0 passed, 1 failed, 0 skipped"

testcase fail '<failure message=""/>' '' >"$work/body"
expect "0 passed, 1 failed, 0 skipped"

# Two fail, cmocka lists them again at the end.
testcase fail '<failure message=""/>' \
    "$run a\n$bad a\n$run b\n$ok b\n$run c\n$bad c\n$bad 2 test(s), listed below:\n$bad a\n$bad c\n" \
    >"$work/body"
expect "1 passed, 2 failed, 0 skipped"
grep -qx 'failed: a.b' "$work/list" || { echo "the failed test is not named" >&2; status=1; }

# A crash in the second case, and one after every case was fine.
testcase fail '<failure message=""/>' "$run a\n$ok a\n$run b\n" >"$work/body"
expect "1 passed, 1 failed, 0 skipped"
testcase fail '<failure message=""/>' "$run a\n$ok a\n" >"$work/body"
expect "1 passed, 1 failed, 0 skipped"

# Words on stderr in front of a mark.
testcase run '' "warning: $run a\nwarning: $ok a\n" >"$work/body"
expect "1 passed, 0 failed, 0 skipped"

{
    testcase run '' "$run a\n$ok a\n"
    testcase fail '<failure message=""/>' "$run a\n$bad a\n"
    testcase notrun '<skipped message="SKIP_RETURN_CODE=77"/>' ''
} >"$work/body"
expect "1 passed, 1 failed, 1 skipped"

[ $status -eq 0 ] && echo "counting is honest"
exit $status
