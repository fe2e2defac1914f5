#!/bin/sh
# Installs what is missing, builds the release preset and runs every test.
#
# The last line is "N passed, N failed, N skipped"; the exit status is 0 only when nothing failed.
# WENGERT_BUILD_OPTIONS holds further options for cmake (-DWENGERT_WERROR=ON), CTEST_OPTIONS for
# ctest (-R core).
set -u
cd "$(dirname "$0")/.." || exit 2
source_dir=$(pwd)
build=$source_dir/build/release
jobs=$(nproc 2>/dev/null || echo 2)

# A tree that does not build has failed one test: its build.
trouble() {
    echo "tests/run.sh: $1 failed" >&2
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}

sh scripts/install-deps.sh || trouble "installing packages"
# shellcheck disable=SC2086 # options are words
cmake --preset release -DWENGERT_BUILD_TESTS=ON ${WENGERT_BUILD_OPTIONS-} || trouble "configuring"
cmake --build "$build" -j "$jobs" || trouble "building"

results=$build/test-results.xml
list=$build/test-results.txt
rm -f "$results" "$list"
# The limits would cut the output of which the cases are counted.
# shellcheck disable=SC2086
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$jobs" \
    --test-output-size-passed 1000000000 --test-output-size-failed 1000000000 \
    --output-junit "$results" ${CTEST_OPTIONS-}
status=$?
[ -s "$results" ] || trouble "running ctest"

: >"$list"
summary=$(LC_ALL=C awk -v LIST="$list" -f tests/count.awk "$results") || trouble "counting"
if [ -s "$list" ]; then
    echo
    cat "$list"
fi
case $summary in
*" 0 failed,"*) [ $status -eq 0 ] || trouble "ctest (exit status $status)" ;;
*) status=1 ;;
esac
echo
echo "$summary"
exit $status
