#!/usr/bin/env bash
# This tool beside what it replaces, in one run, on one tree, with the same fragments:
# `merge_config.sh -r -n` and `make`, as build-kernel.sh calls them (out of tree, so that the tree
# stays clean for both).
#
#   ci/bench/run.sh [--no-cold] [TREE]
#
# TREE is an unpacked, clean Linux tree; left out, it is the default pinned source. --no-cold leaves
# out the two whole builds, and with them all that needs one. Prints seconds and the ratio of the two.
# The builds of this tool's own that it makes below target/ are removed, and what was in bin/ comes back.
set -euo pipefail
cd "$(dirname "$0")/../.."

cold=yes
if [ "${1:-}" = --no-cold ]; then cold=no; shift; fi
cargo xtask --version >/dev/null
[ $# -gt 0 ] || cargo xtask source fetch >&2
tree=$(realpath "${1:-$(cargo xtask source path)}")

builds() { find target/guest-kernel/build -mindepth 2 -maxdepth 2 2>/dev/null | sort || true; } # None in a fresh checkout.
staged="bin/vmlinux.bin bin/vmlinux.bin.json"
leave() {
    builds | comm -13 <(echo "$before") - | xargs --no-run-if-empty rm -rf
    for file in $staged; do
        rm -f "$file"
        if [ -e "$work/$file" ]; then cp -p "$work/$file" "$file"; fi
    done
    rm -rf "$work"
}
before=$(builds)
work=$(mktemp -d)
mkdir "$work/bin"
for file in $staged; do
    if [ -e "$file" ]; then cp -p "$file" "$work/$file"; fi
done
trap leave EXIT
cp -r fragments "$work/conf"
list=$work/conf/micro-kernel-x86_64.list
obj=$work/obj
mkdir "$obj"

tool() { cargo xtask --quiet "$@" --type micro --arch x86_64 --kernel-dir "$tree" --kernel-conf-dir "$work/conf" >/dev/null; }
kernel() { tool kernel; }
resolve() { tool check; }

merge() {
    # A list of this project may hold comments.
    sed -e 's/#.*//' -e '/^[[:space:]]*$/d' -e "s#^#$work/conf/#" "$list" | (cd "$tree" && ARCH=x86_64 xargs scripts/kconfig/merge_config.sh -r -n -O "$obj") >/dev/null
}
script() { merge && make -s -C "$tree" O="$obj" ARCH=x86_64 -j"$(nproc)" bzImage >/dev/null; }

seconds() { # COMMAND: how long it takes, in milliseconds precision
    local start end
    start=$(date +%s%N)
    "$@"
    end=$(date +%s%N)
    awk -v ns=$((end - start)) 'BEGIN { printf "%.3f", ns / 1e9 }'
}

row() { # NAME OURS THEIRS
    local ours theirs
    ours=$(seconds "$2")
    theirs=$(seconds "$3")
    awk -v name="$1" -v a="$ours" -v b="$theirs" 'BEGIN { printf "%-28s %10.3f %10.3f %8.3f\n", name, a, b, a / b }'
}

printf '%-28s %10s %10s %8s\n' "micro x86_64, seconds" xtask script ratio
row "resolve, first time" resolve merge
row "resolve, again" resolve merge
[ $cold = yes ] || exit 0
row "build, cold" kernel script
row "second run, nothing to do" kernel script
echo CONFIG_IKCONFIG=y >"$work/conf/one-symbol.conf"
echo one-symbol.conf >>"$list"
row "one symbol changed" kernel script
