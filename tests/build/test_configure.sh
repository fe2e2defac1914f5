#!/bin/sh
# Configuring: a distribution's flags and folders are respected, dangerous flags and misspelt
# options are refused with a message that names them.
set -u
source_dir=${WENGERT_SOURCE_DIR:?}
if [ -n "${WENGERT_SANITIZE-}" ]; then
    echo "configuring does not depend on the sanitizer of this build"
    exit 77
fi
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
unset CFLAGS CPPFLAGS LDFLAGS
status=0
bad() {
    echo "$*" >&2
    status=1
}
configure() { # NAME OPTION...
    name=$1
    shift
    cmake -S "$source_dir" -B "$work/$name" -G Ninja -DCMAKE_C_COMPILER="${WENGERT_CC:-cc}" \
        -DWENGERT_BUILD_TESTS=OFF -DWENGERT_BUILD_EXAMPLES=OFF "$@" >"$work/$name.log" 2>&1
}
refused() { # NAME WORD OPTION...
    word=$2
    name=$1
    shift 2
    if configure "$name" "$@"; then
        bad "configuring with $* succeeded"
    elif ! grep -qF -e "$word" "$work/$name.log"; then
        cat "$work/$name.log" >&2
        bad "the message about $* does not name $word"
    fi
}

refused fast -ffast-math -DCMAKE_C_FLAGS=-ffast-math
refused native -march=native -DCMAKE_C_FLAGS="-O2 -march=native"
refused ofast -Ofast -DCMAKE_C_FLAGS_RELWITHDEBINFO=-Ofast
refused sanitize adress -DWENGERT_SANITIZE=adress
refused threads pthreads -DWENGERT_THREADS_BACKEND=pthreads

# Debian builds with -DCMAKE_BUILD_TYPE=None, its own flags and a multiarch folder.
if CFLAGS="-O1 -fno-inline-small-functions" CPPFLAGS="-D_FORTIFY_SOURCE=3" LDFLAGS="-Wl,-O1" \
    configure debian -DCMAKE_BUILD_TYPE=None -DCMAKE_INSTALL_PREFIX=/usr \
    -DCMAKE_C_FLAGS="-O1 -fno-inline-small-functions -D_FORTIFY_SOURCE=3" \
    -DCMAKE_INSTALL_LIBDIR=lib/some-multiarch; then
    commands=$work/debian/compile_commands.json
    grep -q -e '-O1 -fno-inline-small-functions' "$commands" || bad "CFLAGS are not used"
    grep -q -e '_FORTIFY_SOURCE=2' "$commands" && bad "_FORTIFY_SOURCE is set a second time"
    grep '"command"' "$commands" | grep -v kernels/ | grep -q -e ' -O[23s]' &&
        bad "the level of optimisation is overridden"
    grep -q -e '-Wl,-O1' "$work/debian/build.ninja" || bad "LDFLAGS are not used"
    grep -qx 'libdir=${prefix}/lib/some-multiarch' "$work/debian/install/wengert.pc" ||
        bad "wengert.pc does not follow CMAKE_INSTALL_LIBDIR"
else
    cat "$work/debian.log" >&2
    bad "configuring as Debian does failed"
fi

# Folders that are absolute (as Nix has them), no oneDNN, and no build type at all.
if configure absolute -DCMAKE_INSTALL_PREFIX=/opt/w -DCMAKE_INSTALL_LIBDIR=/opt/l \
    -DCMAKE_INSTALL_INCLUDEDIR=/opt/i -DWENGERT_WITH_ONEDNN=OFF; then
    pc=$work/absolute/install/wengert.pc
    grep -qx 'libdir=/opt/l' "$pc" || bad "wengert.pc does not follow an absolute libdir"
    grep -qx 'includedir=/opt/i' "$pc" || bad "wengert.pc does not follow an absolute includedir"
    grep -q dnnl "$pc" "$work/absolute/build.ninja" && bad "oneDNN is still linked"
    grep -q WG_HAVE_ONEDNN "$work/absolute/compile_commands.json" && bad "WG_HAVE_ONEDNN is defined"
    grep -qx 'CMAKE_BUILD_TYPE:STRING=RelWithDebInfo' "$work/absolute/CMakeCache.txt" ||
        bad "without a build type it is not RelWithDebInfo"
else
    cat "$work/absolute.log" >&2
    bad "configuring with absolute folders failed"
fi

[ $status -eq 0 ] && echo "configuring is as it should be"
exit $status
