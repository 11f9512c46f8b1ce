#!/usr/bin/env bash
# Does the Kconfig engine make what each tree's own conf makes, to the byte?
#
#   [PINS="NAME..."] ci/kconfig/agree.sh [-t TREE]... [-n COUNT] [SEEDS [ARCH...]]
#
# On each TREE (a folder; the pinned sources, or those of PINS, if left out):
# - small trees, in every mode: COUNT random ones (200 if left out), those of xtask/kconfig/tests, and
#   those that the tree brings for its own conf;
# - through `cargo xtask resolve`, for each ARCH that it has (Linux's names; all of `arches` below if
#   left out): every mode, and what it comes to as a defconfig; this workspace's fragments; and SEEDS
#   random configurations (3 if left out) that have lost one line in ten, through olddefconfig.
# Exits 1 if anything differs, and keeps both files.
set -euo pipefail
cd "$(dirname "$0")/../.."

arches=(x86_64 i386 arm64 arm riscv powerpc s390 mips loongarch um)
trees=() count=200
while getopts t:n: option; do
    case $option in
    t) trees+=("$OPTARG") ;;
    n) count=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
seeds=${1:-3}
shift || true
[ $# -eq 0 ] || arches=("$@")
work=$(mktemp -d)
differ=0 same=0

# Where a configuration of the tree's own for an arch is, below arch/.
own_config() {
    case $1 in
    x86_64 | i386) echo "x86/configs/$1_defconfig" ;;
    arm) echo arm/configs/multi_v7_defconfig ;;
    powerpc) echo powerpc/configs/ppc64_defconfig ;;
    mips) echo mips/configs/malta_defconfig ;;
    um) echo um/configs/x86_64_defconfig ;;
    loongarch) (cd "$tree/arch" && find loongarch/configs -name '*_defconfig' 2>/dev/null | sort | head -n 1) ;;
    *) echo "$1/configs/defconfig" ;;
    esac
}

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

# Has make build the tree's conf, and leaves it in $obj/conf beside the environment that make gives it.
# An empty configuration comes first, as in a folder that nothing was done in.
set_up() {
    local make=(make -s -C "$tree" O="$obj" ARCH="$arch" CROSS_COMPILE="$(prefix "$arch")" LD="$(linker "$arch")")
    "${make[@]}" allnoconfig >"$work/conf.log" 2>&1 || { cat "$work/conf.log" >&2; exit 2; }
    mv "$obj/scripts/kconfig/conf" "$obj/conf"
    printf '#!/bin/sh\nexport -p >"%s/environment"\n' "$obj" >"$obj/scripts/kconfig/conf"
    chmod +x "$obj/scripts/kconfig/conf"
    "${make[@]}" allnoconfig >"$work/conf.log" 2>&1 || { cat "$work/conf.log" >&2; exit 2; }
    [ -s "$obj/environment" ]
}

conf() { # ARGUMENT [VARIABLE=value...]: what the tree's own conf makes of it, in $obj/.config
    (
        cd "$obj"
        . ./environment
        [ $# -eq 1 ] || export "${@:2}"
        ./conf -s "$1" Kconfig
    ) >"$work/conf.log" 2>&1 || { cat "$work/conf.log" >&2; exit 2; }
}
ours() { # 1 is what it answers where a line does not come out
    ${XTASK:-cargo xtask --quiet} resolve --kernel-dir "$tree" --arch "$arch" -o "$work/ours" "$@" 2>"$work/ours.log" ||
        [ $? -eq 1 ] || { cat "$work/ours.log" >&2; exit 2; }
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

both() { # MODE [CONFIG]: in that mode, and as a defconfig
    local config=()
    [ $# -eq 1 ] || config=(--config "$2")
    rm -f "$obj/.config"
    case $1 in
    olddefconfig) cp "$2" "$obj/.config" && conf --olddefconfig ;;
    defconfig) conf --defconfig="$2" ;;
    *) conf "--$1" ${2:+KCONFIG_ALLCONFIG="$2"} ;;
    esac
    ours --mode "$1" "${config[@]}"
    compare "$tree $arch $*" "$obj/.config"
    conf --savedefconfig=defconfig
    ours --mode "$1" "${config[@]}" --savedefconfig
    compare "$tree $arch $*, as defconfig" "$obj/defconfig"
}

one_arch() {
    for mode in allnoconfig alldefconfig allyesconfig allmodconfig; do
        both $mode
    done
    both defconfig "$tree/arch/$(own_config "$arch")"
    both olddefconfig "$tree/arch/$(own_config "$arch")"
    # Some lists are of arches that this one is not: conf drops what it does not know, and so does this.
    for list in fragments/*.list; do
        grep -hv '^ *\(#\|$\)' "$list" | sed 's#^#fragments/#' | xargs cat >"$work/asked"
        conf --allnoconfig KCONFIG_ALLCONFIG="$work/asked"
        ours --config "$work/asked"
        compare "$tree $arch $list" "$obj/.config"
    done
    for seed in $(seq "$seeds"); do
        conf --randconfig KCONFIG_SEED="$seed"
        awk -v seed="$seed" 'BEGIN { srand(seed) } rand() > 1 / 10' "$obj/.config" >"$work/part"
        cp "$work/part" "$obj/.config"
        conf --olddefconfig
        ours --mode olddefconfig --config "$work/part"
        compare "$tree $arch seed $seed" "$obj/.config"
    done
}

small_trees() { # CONF
    local version against=(cargo run --quiet --profile xtask -p kconfig --example against-conf --)
    version=$(make -s -C "$tree" kernelversion | cut -d . -f 1,2)
    "${against[@]}" "$1" "$version" trees 1 "$count" || differ=$((differ + 1))
    "${against[@]}" "$1" "$version" folders xtask/kconfig/tests/data/ok "$tree/scripts/kconfig/tests" ||
        differ=$((differ + 1))
}

if [ ${#trees[@]} -eq 0 ]; then
    for pin in ${PINS:-$(sed -n 's/^\[source\."\{0,1\}\([^]"]*\)"\{0,1\}\]$/\1/p' fragments/sources.toml)}; do
        trees+=("$(cargo xtask --quiet source fetch "$pin")")
    done
fi
for tree in "${trees[@]}"; do
    tested=
    for arch in "${arches[@]}"; do
        [ -f "$tree/arch/$(own_config "$arch")" ] || continue
        obj=$work/obj
        mkdir "$obj"
        set_up
        [ -n "$tested" ] || small_trees "$obj/conf"
        tested=yes
        one_arch
        rm -rf "$obj"
        echo "$tree $arch: $same the same so far, $differ different"
    done
done
[ $differ -eq 0 ] || exit 1
rm -rf "$work"
