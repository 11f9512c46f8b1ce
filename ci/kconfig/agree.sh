#!/usr/bin/env bash
# Does `cargo xtask resolve` write what the tree's own conf writes, to the byte?
#
#   [PINS="NAME..."] ci/kconfig/agree.sh [SEEDS [ARCH...]]
#
# On each source of PINS (all that are pinned if left out) and each ARCH (Linux's names; x86_64, arm64, riscv, powerpc and s390 if left
# out): every mode without input, what it comes to as a defconfig, this workspace's fragments, and
# SEEDS random configurations (3 if left out) that have lost one line in seven, through olddefconfig.
# Exits 1 if anything differs, and keeps both files. conf needs about a second for each, most of it
# for the compiler's answers.
set -euo pipefail
cd "$(dirname "$0")/../.."

seeds=${1:-3}
shift || true
arches=("$@")
[ $# -gt 0 ] || arches=(x86_64 arm64 riscv powerpc s390)
work=$(mktemp -d)
differ=0 same=0

# Tools for the arch, as `resolve` finds them.
prefix() {
    case "$1-$(uname -m)" in
    x86_64-x86_64 | arm64-aarch64) ;;
    x86_64-*) echo x86_64-linux-gnu- ;;
    arm64-*) echo aarch64-linux-gnu- ;;
    esac
}

# And its linker: for arm64 the newest LLD, unless the tree wants a newer one.
linker() {
    local newest= oldest=0
    if [ "$1" = arm64 ]; then
        newest=$(compgen -c | grep -Ex 'ld\.lld(-[0-9]+)?' | sort -ru | while read -r lld; do
            echo "$("$lld" --version | grep -Eo '[0-9]+(\.[0-9]+)+' | head -n 1) $lld"
        done | sort -sV -k1,1 | tail -n 1)
        [ ! -e "$tree/scripts/min-tool-version.sh" ] || oldest=$(SRCARCH=$1 sh "$tree/scripts/min-tool-version.sh" llvm)
    fi
    if [ -n "$newest" ] && printf '%s\n%s\n' "$oldest" "${newest% *}" | sort -CV; then
        echo "${newest#* }"
    else
        echo "$(prefix "$1")ld"
    fi
}

conf() { # MODE [VARIABLE=value...]: what the tree's own tools make of it, in $obj/.config
    make -s -C "$tree" O="$obj" ARCH="$arch" CROSS_COMPILE="$(prefix "$arch")" LD="$(linker "$arch")" "$@" >"$work/conf.log" 2>&1 ||
        { cat "$work/conf.log" >&2; exit 2; }
}
ours() {
    cargo xtask --quiet resolve --kernel-dir "$tree" --arch "$arch" -o "$work/ours" "$@" 2>"$work/ours.log" ||
        { cat "$work/ours.log" >&2; exit 2; }
}

compare() { # NAME THEIRS
    if cmp -s "$work/ours" "$2"; then
        same=$((same + 1))
        return
    fi
    differ=$((differ + 1))
    name=$work/differ-$differ
    cp "$work/ours" "$name.ours"
    cp "$2" "$name.conf"
    echo "differs: $1 ($(diff "$name.ours" "$name.conf" | grep -c '^[<>]') lines; $name.*)"
}

one_arch() {
    rm -f "$obj/.config"
    for mode in allnoconfig alldefconfig allyesconfig allmodconfig; do
        conf $mode
        ours --mode $mode
        compare "$tree $arch $mode" "$obj/.config"
        ours --mode $mode --savedefconfig
        conf savedefconfig
        compare "$tree $arch $mode, as defconfig" "$obj/defconfig"
    done
    local folder=$arch default=defconfig
    case $arch in
    x86_64) folder=x86 default=x86_64_defconfig ;;
    powerpc) default=ppc64_defconfig ;;
    esac
    conf $default
    ours --mode defconfig --config "$tree/arch/$folder/configs/$default"
    compare "$tree $arch $default" "$obj/.config"
    # Some lists are of arches that this one is not: conf drops what it does not know, and so does this.
    for list in fragments/*.list; do
        grep -hv '^ *\(#\|$\)' "$list" | sed 's#^#fragments/#' | xargs cat >"$work/asked"
        conf allnoconfig KCONFIG_ALLCONFIG="$work/asked"
        ours --config "$work/asked"
        compare "$tree $arch $list" "$obj/.config"
    done
    for seed in $(seq "$seeds"); do
        conf randconfig KCONFIG_SEED="$seed"
        awk -v seed="$seed" 'BEGIN { srand(seed) } rand() > 1 / 7' "$obj/.config" >"$work/part"
        cp "$work/part" "$obj/.config"
        conf olddefconfig
        ours --mode olddefconfig --config "$work/part"
        compare "$tree $arch seed $seed" "$obj/.config"
    done
}

for pin in ${PINS:-$(sed -n 's/^\[source\."\{0,1\}\([^]"]*\)"\{0,1\}\]$/\1/p' fragments/sources.toml)}; do
    tree=$(cargo xtask source fetch "$pin" 2>/dev/null)
    for arch in "${arches[@]}"; do
        obj=$work/obj-$pin-$arch
        mkdir "$obj"
        conf allnoconfig
        one_arch
        rm -rf "$obj"
        echo "$pin $arch: $same the same so far, $differ different"
    done
done
[ $differ -eq 0 ] || exit 1
rm -rf "$work"
