#!/bin/sh
# What is built: no banned flags, hardening in place, the SONAME, and no request for an executable
# stack or for text relocations.
set -u
build=${WENGERT_BUILD_DIR:?}
status=0
bad() {
    echo "$*" >&2
    status=1
}

commands=$build/compile_commands.json
[ -s "$commands" ] || { echo "no $commands" >&2; exit 2; }
if grep -nE -e '-ffast-math|-Ofast|-march=native|-mtune=native|-funsafe-math' "$commands" \
    "$build/build.ninja"; then
    bad "banned flags are in use"
fi
if grep '"command"' "$commands" | grep -v -e '-fstack-protector-strong' | grep .; then
    bad "files compiled without -fstack-protector-strong"
fi

so=$build/lib/libwengert.so
dynamic=$(readelf -dW "$so") || exit 2
case $dynamic in *'soname: [libwengert.so.0]'*) ;; *) bad "$so: SONAME is not libwengert.so.0" ;; esac
case $dynamic in *BIND_NOW* | *'Flags: NOW'*) ;; *) bad "$so: not linked with -z now" ;; esac
case $dynamic in *TEXTREL*) bad "$so: has text relocations" ;; esac
for file in "$so" "$build"/bin/wengert; do
    [ -e "$file" ] || continue
    segments=$(readelf -lW "$file") || exit 2
    case $segments in *GNU_RELRO*) ;; *) bad "$file: not linked with -z relro" ;; esac
    if printf '%s\n' "$segments" | grep GNU_STACK | grep -q RWE; then
        bad "$file: asks for an executable stack"
    fi
    case $(readelf -hW "$file") in *DYN*) ;; *) bad "$file: not position independent" ;; esac
done
[ $status -eq 0 ] && echo "hardening is in place"
exit $status
