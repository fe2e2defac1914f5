#!/bin/sh
# Strangers' programs: one small program built and run with find_package (shared, static, and from
# the build tree), with pkg-config (shared, static) and with pkg-config against the build tree.
set -u
source_dir=${WENGERT_SOURCE_DIR:?}
build=${WENGERT_BUILD_DIR:?}
if [ -n "${WENGERT_SANITIZE-}" ]; then
    echo "a sanitized library is not for installing"
    exit 77
fi
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cc=${WENGERT_CC:-cc}

# Nothing of the surroundings may help or disturb.
unset PKG_CONFIG_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH CFLAGS LDFLAGS

# quietly WHAT COMMAND...: prints the output only when the command fails.
quietly() {
    what=$1
    shift
    if "$@" >"$work/log" 2>&1; then return; fi
    cat "$work/log" >&2
    echo "failed: $what" >&2
    exit 1
}

cmake --install "$build" --prefix "$work/first" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
# An installed tree can be moved.
mv "$work/first" "$work/usr"
prefix=$work/usr
pc=$(dirname "$(find "$prefix" -name wengert.pc)")
lib=$(dirname "$pc")
for file in include/wengert.h include/wengert/version.h include/wengert/tensor.h; do
    [ -f "$prefix/$file" ] || { echo "not installed: $file" >&2; exit 1; }
done
if grep -rlF -e "$source_dir" -e "$build" "$pc" "$lib/cmake" "$prefix/include"; then
    echo "installed files name the source or build tree" >&2
    exit 1
fi

# find_package.
mkdir "$work/cmake"
cp "$source_dir/tests/build/consumer.c" "$work/cmake/"
cat >"$work/cmake/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(consumer C)
find_package(wengert 0.1 REQUIRED COMPONENTS ${KIND})
add_executable(consumer consumer.c)
if(KIND STREQUAL "static")
    target_link_libraries(consumer wengert::wengert_static)
else()
    target_link_libraries(consumer wengert::wengert)
endif()
END
for kind in shared static; do
    quietly "configuring with find_package ($kind)" cmake -G Ninja -S "$work/cmake" \
        -B "$work/cmake-$kind" -DKIND=$kind -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix"
    quietly "building with find_package ($kind)" cmake --build "$work/cmake-$kind"
    quietly "running after find_package ($kind)" "$work/cmake-$kind/consumer"
done
quietly "configuring against the build tree" cmake -G Ninja -S "$work/cmake" \
    -B "$work/cmake-tree" -DKIND=shared -DCMAKE_C_COMPILER="$cc" -Dwengert_DIR="$build"
quietly "building against the build tree" cmake --build "$work/cmake-tree"
quietly "running against the build tree" "$work/cmake-tree/consumer"

# A version that is not there is refused.
sed -i 's/wengert 0.1/wengert 9.0/' "$work/cmake/CMakeLists.txt"
if cmake -G Ninja -S "$work/cmake" -B "$work/cmake-nine" -DKIND=shared \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>&1; then
    echo "find_package(wengert 9.0) succeeded" >&2
    exit 1
fi

# pkg-config.
cp "$source_dir/tests/build/consumer.c" "$work/"
export PKG_CONFIG_PATH="$pc"
# shellcheck disable=SC2046 # flags are words
quietly "building with pkg-config" "$cc" -Wall -Werror "$work/consumer.c" -o "$work/shared" \
    $(pkg-config --cflags --libs wengert)
quietly "running after pkg-config" env LD_LIBRARY_PATH="$lib" "$work/shared"
# shellcheck disable=SC2046
quietly "building with pkg-config --static" "$cc" "$work/consumer.c" -o "$work/static" \
    $(pkg-config --static --cflags --libs wengert | sed 's/-lwengert/-l:libwengert.a/')
quietly "running after pkg-config --static" "$work/static"
if readelf -d "$work/static" | grep -q 'NEEDED.*libwengert'; then
    echo "the static program needs the shared library" >&2
    exit 1
fi
plugins=$(pkg-config --variable=plugindir wengert)
case $plugins in
*/wengert/plugins) ;;
*)
    echo "plugindir is '$plugins'" >&2
    exit 1
    ;;
esac

# The tree that was built but not installed.
export PKG_CONFIG_PATH="$build"
[ "$(pkg-config --modversion wengert)" = "$(PKG_CONFIG_PATH=$pc pkg-config --modversion wengert)" ] ||
    { echo "versions of wengert.pc and wengert-uninstalled.pc differ" >&2; exit 1; }
# shellcheck disable=SC2046
quietly "building uninstalled" "$cc" "$work/consumer.c" -o "$work/uninstalled" \
    $(pkg-config --cflags --libs wengert)
quietly "running uninstalled" "$work/uninstalled"
echo "six ways of building against wengert work"
