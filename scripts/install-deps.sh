#!/bin/sh
# Installs the Debian packages that Wengert is built with, where they are missing. Asks for nothing;
# does nothing when everything is there.
#
#   scripts/install-deps.sh [--ci]
#
# --ci adds what only continuous integration needs: the second compiler, formatter, ABI checker, numpy as a
# witness for files.
set -eu

# The compiler and its C library are named apart: "gcc" alone only recommends the headers.
packages="gcc libc6-dev binutils cmake ninja-build pkg-config git"
# Libraries, in the order of docs/decisions/0001-build-and-dependencies.md. liblbfgs-dev is for the
# CRF trainer to come.
packages="$packages libdnnl-dev libopenblas-openmp-dev liblapacke-dev libuv1-dev zlib1g-dev"
packages="$packages libutf8proc-dev libcjson-dev librandom123-dev liblbfgs-dev"
# What OpenBLAS needs of Fortran where a program is linked statically (pkg-config --static).
packages="$packages libgfortran-12-dev"
# Tests.
packages="$packages libcmocka-dev"

ci_packages="clang clang-format libclang-rt-dev libomp-dev abigail-tools python3-numpy"

say() { printf 'install-deps: %s\n' "$*" >&2; }

for argument in "$@"; do
    case $argument in
    --ci) packages="$packages $ci_packages" ;;
    -h | --help)
        sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *)
        say "unknown argument '$argument' (only --ci is known)"
        exit 2
        ;;
    esac
done

if ! command -v dpkg-query >/dev/null 2>&1; then
    say "this is no Debian system; what is needed is known there as:"
    say "  $packages"
    say "going on: configuring will name whatever is missing"
    exit 0
fi

missing=
for package in $packages; do
    # ${db:Status-Status} alone would also be "installed" for a foreign architecture only.
    if ! dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then
        missing="$missing $package"
    fi
done
if [ -z "$missing" ]; then
    exit 0
fi

command="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" -eq 0 ]; then
    as_root="env"
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n env"
else
    say "packages are missing, and installing them needs root, which this user is not (and sudo"
    say "asks for a password or is absent). Run this once, then come back:"
    say "  sudo apt-get update && sudo $command"
    exit 1
fi

say "installing:$missing"
run_apt() { $as_root DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" \
    </dev/null >&2; }
# An unreachable mirror of another repository must not stop an installation that would succeed.
run_apt update || say "apt-get update failed; trying with the package lists at hand"
# shellcheck disable=SC2086 # a list of words on purpose
if ! run_apt install -y --no-install-recommends $missing; then
    say "installing failed; by hand it is:"
    say "  sudo apt-get update && sudo $command"
    exit 1
fi
