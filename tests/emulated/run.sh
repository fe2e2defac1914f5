#!/bin/sh
# Runs tests on an emulated processor with AVX-512 and AVX-512 BF16: for those who have none.
#
#   tests/emulated/run.sh BUILD [JOBS]
#
# BUILD is a finished build with tests (build/release), JOBS what is run (tests/emulated/jobs). Needs Debian
# 12 on x86-64, its mirror, g++, make and patch; no root, and nothing is installed: packages are unpacked
# into WENGERT_EMULATED (~/.cache/wengert-emulated, 0.4 GB). The first run builds the emulator Bochs there (5
# minutes of a core); the jobs take some 20 minutes of one. It tells whether results are right; times of an
# emulator say nothing. Exit status: 0 all passed, 1 one failed, 2 trouble, 77 something is missing.
set -eu

say() { echo "emulated: $*" >&2; }
lacking() { say "skipped: $*"; exit 77; }

[ $# -ge 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
build=$(cd "$1" && pwd)
jobs=${2:-$here/jobs}
work=${WENGERT_EMULATED:-${XDG_CACHE_HOME:-$HOME/.cache}/wengert-emulated}
limit=${WENGERT_EMULATED_LIMIT:-10800} # seconds

[ "$(uname -m)" = x86_64 ] || lacking "the tests are programs for x86-64"
for tool in apt-get dpkg g++ make patch gzip ldd strip; do
    command -v "$tool" >/dev/null || lacking "there is no $tool (apt-get install dpkg g++ make patch binutils)"
done
mkdir -p "$work"
work=$(cd "$work" && pwd)

# ---- packages: apt with a state of its own, so that the system's stays as it is ----

fetch() {
    say "fetching packages of Debian into $work"
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/fetched"
    mirror="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian"
    printf '%s\n' "deb $mirror bookworm main" "deb-src $mirror trixie main" >"$work/apt/sources.list"
    cat >"$work/apt/apt.conf" <<EOF
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
APT::Sandbox::User "$(id -un)";
EOF
    export APT_CONFIG="$work/apt/apt.conf"
    apt-get -q update >"$work/apt.log" 2>&1 || lacking "Debian's mirror cannot be read, see $work/apt.log"
    kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-\)/\1/p')
    # A kernel and its loader, firmware, a shell; what makes the image of a disk, with its libraries.
    (cd "$work/fetched" && rm -rf ./* && apt-get -q download "$kernel" isolinux syslinux-common \
        bochsbios vgabios busybox-static xorriso libisoburn1 libisofs6 libburn4 libjte2 &&
        apt-get -q source --download-only --tar-only bochs/trixie) >>"$work/apt.log" 2>&1 ||
        lacking "a package cannot be had, see $work/apt.log"
    rm -rf "$work/system"
    for package in "$work"/fetched/*.deb; do dpkg -x "$package" "$work/system"; done
}

# ---- the emulator: Debian 12's is slow (a debugger is built in) and knows no BF16 ----

build_bochs() {
    say "building Bochs, see $work/bochs.log"
    rm -rf "$work/bochs" && mkdir "$work/bochs"
    (cd "$work/bochs" && tar xf "$work"/fetched/bochs_*.orig.tar.xz --strip-components=1 &&
        patch -p1 <"$here/bochs.patch" &&
        ./configure --enable-x86-64 --enable-cpu-level=6 --enable-avx --enable-evex \
            --enable-all-optimizations --disable-stats --disable-show-ips --disable-docbook \
            --with-nogui &&
        make -j2) >"$work/bochs.log" 2>&1 || { say "Bochs was not built, see $work/bochs.log"; exit 2; }
}

[ -e "$work/system/boot" ] || fetch
[ -x "$work/bochs/bochs" ] || build_bochs
system=$work/system

# ---- the machine: an archive of tests and their libraries as its first file system ----

root=$work/root
disk=$work/disk
rm -rf "$root" "$disk"
: >"$work/serial"
mkdir -p "$root/bin" "$root/lib" "$root/lib64" "$root/tests" "$root/proc" "$root/sys" "$root/dev" \
    "$root/tmp" "$root$source/tests" "$disk/isolinux"
cp "$system/bin/busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
cp "$here/init" "$root/init"
chmod +x "$root/init"
grep -v '^ *\(#\|$\)' "$jobs" >"$root/jobs"
for test in $(sed 's/.*\.\///' "$root/jobs" | sort -u); do
    [ -x "$build/tests/$test" ] || { say "there is no $build/tests/$test"; exit 2; }
    strip -o "$root/tests/$test" "$build/tests/$test"
    ldd "$build/tests/$test"
done | awk '$2 == "=>" { print $3 }' | sort -u | while read -r library; do
    cp -L "$library" "$root/lib/"
done
cp -L /lib64/ld-linux-x86-64.so.2 "$root/lib64/"
cp -r "$source/tests/golden" "$root$source/tests/golden"
(cd "$root" && find . | "$system/bin/busybox" cpio -o -H newc 2>/dev/null) | gzip -1 >"$work/tests.gz"

# The archive lies in memory when the machine starts: emulated disks are slow.
cp "$system"/boot/vmlinuz-* "$disk/vmlinuz"
cp "$system/usr/lib/ISOLINUX/isolinux.bin" "$system/usr/lib/syslinux/modules/bios/ldlinux.c32" "$disk/isolinux/"
cat >"$disk/isolinux/isolinux.cfg" <<EOF
default tests
prompt 0
label tests
 kernel /vmlinuz
 append initrdmem=0x20000000,$(stat -c %s "$work/tests.gz") rdinit=/init console=ttyS0,115200 loglevel=4 mitigations=off nokaslr
EOF
LD_LIBRARY_PATH=$system/usr/lib/x86_64-linux-gnu "$system/usr/bin/xorriso" -as mkisofs -quiet \
    -o "$work/disk.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 \
    -boot-info-table "$disk" >"$work/disk.log" 2>&1 || { say "no disk, see $work/disk.log"; exit 2; }

# Skylake-X with what Cooper Lake added. The clock goes by instructions, so that tests see the same times.
cat >"$work/bochsrc" <<EOF
cpu: model=corei7_skylake_x, add_features="avx512vnni,avx512bf16", ips=100000000
megs: 2048
romimage: file=$system/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=$system/usr/share/vgabios/vgabios.bin
optramimage1: file=$work/tests.gz, address=0x20000000
ata0-master: type=cdrom, path=$work/disk.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
display_library: nogui
clock: sync=none
info: action=ignore
error: action=ignore
log: $work/bochs-run.log
EOF

# ---- run ----

count=$(wc -l <"$root/jobs")
say "running $count jobs, output in $work/serial"
timeout -k 10 "$limit" "$work/bochs/bochs" -q -f "$work/bochsrc" >"$work/out" 2>&1 </dev/null &
bochs=$!
trap 'kill "$bochs" 2>/dev/null || :' EXIT
trap 'exit 2' INT TERM
seen=0
while :; do
    alive=1
    kill -0 "$bochs" 2>/dev/null || alive=0
    lines=$(grep -ac '^emulated: ' "$work/serial" || :)
    if [ "$lines" -gt "$seen" ]; then
        grep -a '^emulated: ' "$work/serial" | tr -d '\r' | sed -n "$((seen + 1)),${lines}p"
        seen=$lines
    fi
    [ "$alive" = 1 ] || break
    sleep 2
done

passed=$(grep -ac '^emulated: end 0 ' "$work/serial" || :)
if ! grep -aq '^emulated: done' "$work/serial"; then
    say "the machine stopped before the end ($passed of $count jobs passed), see $work/serial and $work/out"
    exit 2
fi
grep -a -A2 '\[  ERROR   \]\|\[  FAILED  \]' "$work/serial" | tr -d '\r' || :
say "$passed of $count jobs passed"
[ "$passed" = "$count" ]
