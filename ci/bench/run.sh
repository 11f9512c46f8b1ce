#!/usr/bin/env bash
# This tool beside what it replaces, in one run, on one tree, with the same fragments:
# `merge_config.sh -r -n` and `make`, as build-kernel.sh calls them (out of tree, so that the tree
# stays clean for both), and the tree's own conf without anything around it.
#
#   ci/bench/run.sh [--no-cold | --four [--lists DIR]] [TREE]
#   ci/bench/run.sh --check [TREE...]
#
# --check builds nothing and takes several trees, left out all pinned sources: `check` of every list and overlay on
# all of them at once, with all known that it keeps, beside merge_config.sh called for the same lists on the same
# trees, whose conf is built already; merge_config.sh of each tree by itself, since that of 7.x is in awk and
# faster, beside `check` on that one; and of each tree the first look, with nothing
# known, beside `make allnoconfig` in a fresh folder, which builds conf.
#
# TREE is an unpacked, clean Linux tree; left out, it is the default pinned source. --no-cold leaves
# out the two whole builds, and with them all that needs one; --four takes four kernels instead, micro and
# mini for both arches, at once here and one after another there. With --lists, the other side builds
# those of DIR, such as the folder build-kernel/ that Kuasar had. Prints seconds and the ratio of the two.
# The builds of this tool's own that it makes below target/ are removed, and what was in bin/ comes back.
set -euo pipefail
cd "$(dirname "$0")/../.."

what=one lists=fragments
case ${1:-} in
--no-cold | --four | --check) what=${1#--} && shift ;;
esac
if [ $what = four ] && [ "${1:-}" = --lists ]; then lists=$2 && shift 2; fi
cargo xtask --version >/dev/null
if [ $what = check ] && [ $# -eq 0 ]; then
    for pin in $(sed -n 's/^\[source\."\{0,1\}\([^]"]*\)"\{0,1\}\]$/\1/p' fragments/sources.toml); do
        set -- "$@" "$(cargo xtask --quiet source fetch "$pin")"
    done
fi
[ $# -gt 0 ] || cargo xtask source fetch >&2
tree=$(realpath "${1:-$(cargo xtask source path)}")
trees=()
for one in "$@"; do trees+=("$(realpath "$one")"); done

builds() { find target/guest-kernel/build -mindepth 2 -maxdepth 2 2>/dev/null | sort || true; } # None in a fresh checkout.
staged=$(for image in bin/vmlinux.bin bin/{stratovirt,qemu}-{x86_64,aarch64}/vmlinux.bin; do echo $image $image.json; done)
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
    if [ -e "$file" ]; then install -Dp "$file" "$work/$file"; fi
done
trap leave EXIT
cp -r fragments "$work/conf"
cp -r "$lists" "$work/lists"
list=$work/conf/micro-kernel-x86_64.list
obj=$work/obj
mkdir "$obj"

tool() { cargo xtask --quiet "$@" --type micro --arch x86_64 --kernel-dir "$tree" --kernel-conf-dir "$work/conf" >/dev/null; }
kernel() { tool kernel; }
resolve() { target/xtask/xtask --quiet resolve --type micro --arch x86_64 --kernel-dir "$tree" --kernel-conf-dir "$work/conf" -o "$work/resolved"; }
resolve_by_cargo() { cargo xtask --quiet resolve --type micro --arch x86_64 --kernel-dir "$tree" --kernel-conf-dir "$work/conf" -o "$work/resolved"; }
resolve_cold() { rm -rf target/guest-kernel/kconfig; resolve; }

# A list of this project may hold comments.
fragments() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' -e "s#^#$(dirname "$list")/#" "$list"; }
merge() {
    fragments | (cd "$tree" && ARCH=x86_64 xargs scripts/kconfig/merge_config.sh -r -n -O "$obj") >/dev/null
}
# conf in the environment that kbuild gives it, which a stand-in writes down.
prepare_conf() {
    merge
    mv "$obj/scripts/kconfig/conf" "$obj/scripts/kconfig/conf.real"
    printf '#!/bin/sh\nexport -p >%s/environment\nexec "$0.real" "$@"\n' "$work" >"$obj/scripts/kconfig/conf"
    chmod +x "$obj/scripts/kconfig/conf"
    merge
    mv "$obj/scripts/kconfig/conf.real" "$obj/scripts/kconfig/conf"
    fragments | xargs cat >"$work/asked"
}
conf() { (cd "$obj" && . "$work/environment" && KCONFIG_ALLCONFIG=$work/asked scripts/kconfig/conf -s --allnoconfig Kconfig); }
script() { merge && make -s -C "$tree" O="$obj" ARCH=x86_64 -j"$(nproc)" bzImage >/dev/null; }

four() {
    cargo xtask --quiet kernel --arch x86_64,aarch64 --hypervisor stratovirt,qemu --kernel-dir "$tree" \
        --kernel-conf-dir "$work/conf" >/dev/null
}
script_four() {
    local arch cross
    for list in "$work"/lists/{micro,mini}-kernel-{x86_64,aarch64}.list; do
        obj=$work/${list##*/} && mkdir -p "$obj"
        case $list in
        *aarch64*) arch=arm64 cross=(CROSS_COMPILE=aarch64-linux-gnu- LD=ld.lld) ;;
        *) arch=x86_64 cross=() ;;
        esac
        fragments | (cd "$tree" && env ARCH=$arch "${cross[@]}" xargs scripts/kconfig/merge_config.sh -r -n -O "$obj") >/dev/null
        make -s -C "$tree" O="$obj" ARCH=$arch "${cross[@]}" -j"$(nproc)" >/dev/null
    done
}

check_all() { # A list that does not come out on a tree is no failure here.
    target/xtask/xtask --quiet check --all --kernel-dir "$(IFS=, && echo "${trees[*]}")" >/dev/null 2>&1 || [ $? = 1 ]
}
check_part() { (trees=("$tree") && check_all); }
# As `check --all` has them: each list, and those of micro with each hypervisor's overlay for that arch.
merge_tree() {
    local arch kbuild cross overlay files
    obj=$work/merged-${tree##*/} && mkdir -p "$obj"
    for list in "$work"/lists/{micro,mini}-kernel-{x86_64,aarch64}.list; do
        arch=${list##*-} && arch=${arch%.list}
        case $arch in
        aarch64) kbuild=arm64 cross=aarch64-linux-gnu- ;;
        *) kbuild=$arch cross= ;;
        esac
        for overlay in none $(overlays "$arch"); do
            files=$(for file in "$work/lists/hypervisor/$overlay"{,-"$arch"}.conf; do [ ! -e "$file" ] || echo "$file"; done)
            (fragments && echo "$files") | (cd "$tree" && ARCH=$kbuild CROSS_COMPILE=$cross xargs \
                scripts/kconfig/merge_config.sh -r -n -O "$obj") >/dev/null 2>&1
        done
    done
}
overlays() { # ARCH
    case $list in
    */micro-*) (cd "$work/lists/hypervisor" && ls) | sed -n -e "s/-$1\.conf$//p" -e '/-x86_64\.conf$/d;/-aarch64\.conf$/d;s/\.conf$//p' | sort -u ;;
    esac
}
merge_all() { for tree in "${trees[@]}"; do merge_tree; done; }
look() {
    rm -rf target/guest-kernel/kconfig
    target/xtask/xtask --quiet resolve --arch x86_64 --kernel-dir "$tree" -o "$work/resolved"
}
conf_anew() {
    rm -rf "$work/fresh"
    make -s -C "$tree" O="$work/fresh" ARCH=x86_64 allnoconfig >/dev/null 2>&1
}

seconds() { # COMMAND: how long it takes, to the millisecond
    local start end
    start=$(date +%s%N)
    "$@"
    end=$(date +%s%N)
    awk -v ns=$((end - start)) 'BEGIN { printf "%.3f", ns / 1e9 }'
}

median() { sort -g | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

row() { # NAME OURS THEIRS [TIMES]: the median of each, taken in turns
    local ours theirs
    : >"$work/ours" && : >"$work/theirs"
    for _ in $(seq "${4:-1}"); do
        seconds "$2" >>"$work/ours" && echo >>"$work/ours"
        seconds "$3" >>"$work/theirs" && echo >>"$work/theirs"
    done
    ours=$(median <"$work/ours")
    theirs=$(median <"$work/theirs")
    awk -v name="$1" -v a="$ours" -v b="$theirs" 'BEGIN { printf "%-28s %10.3f %10.3f %8.3f\n", name, a, b, a / b }'
}

heading() { printf '%-28s %10s %10s %8s\n' "$1, seconds" xtask other ratio; }

if [ $what = check ]; then
    heading "all lists and overlays"
    merge_all && check_all
    row "check, ${#trees[@]} trees" check_all merge_all
    for tree in "${trees[@]}"; do row "the same, ${tree##*/}" check_part merge_tree; done
    heading "allnoconfig for x86_64"
    for tree in "${trees[@]}"; do row "first look, ${tree##*/}" look conf_anew 3; done
    exit 0
fi
if [ $what = four ]; then
    heading "four kernels"
    row "build, cold" four script_four
    row "second run, nothing to do" four script_four
    for base in "$work/conf/base.conf" "$(find "$work/lists" -name base.conf)"; do
        echo CONFIG_IKCONFIG=y >>"$base"
    done
    row "one fragment changed" four script_four
    exit 0
fi
heading "micro x86_64"
row "resolve, first time" resolve_cold merge
row "resolve, again" resolve merge 5
row "the same through cargo" resolve_by_cargo merge 5
prepare_conf
row "resolve, against conf" resolve conf 5
row "the same, nothing cached" resolve_cold conf 5
[ $what = one ] || exit 0
row "build, cold" kernel script
row "second run, nothing to do" kernel script
echo CONFIG_IKCONFIG=y >"$work/conf/one-symbol.conf"
echo one-symbol.conf >>"$list"
row "one symbol changed" kernel script
