#!/bin/sh
# `wengert new cell` against an installed tree: the lines that the installed tool prints build the
# cell as a plugin with the installed headers alone, and check it. tests/cli/test_new_cell.c does the
# same against the build tree.
set -eu
if [ -n "${WENGERT_SANITIZE-}" ]; then
    echo "a plain compiler call would not find the sanitizer's runtime"
    exit 77
fi
for tool in cmake cc pkg-config; do
    command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "${WENGERT_BUILD_DIR:?}" --prefix "$work/prefix" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
mkdir "$work/cells"
cd "$work/cells"
unset PKG_CONFIG_PATH
"$work/prefix/bin/wengert" new cell mine >"$work/said"
# The line after a heading, as it was printed.
printed() {
    awk -v heading="$1" 'found { sub(/^ */, ""); print; exit } $0 == heading { found = 1 }' "$work/said"
}
build=$(printed "Build it:")
check=$(printed "Check its gradients:")
case $build in
*"$work/prefix/"*) ;;
*) echo "the build line does not name the installation: $build" >&2; exit 1 ;;
esac
sh -ec "$build"
sh -ec "$check" >"$work/checked" || { cat "$work/checked" >&2; exit 1; }
grep -q '^cell mine: gradient check: passed' "$work/checked" || { cat "$work/checked" >&2; exit 1; }
# Nothing of wengert is left to be resolved, and only the entry point is offered.
if nm -D --undefined-only mine.so | grep wg_; then
    echo "these names of wengert are left open" >&2
    exit 1
fi
offered=$(nm -D --defined-only mine.so | awk '{ print $3 }')
[ "$offered" = wengert_plugin ] || { echo "the plugin exports: $offered" >&2; exit 1; }
echo "new cell: built against an installation, checked"
