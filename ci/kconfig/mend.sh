#!/usr/bin/env bash
# Does `cargo xtask check --want SYMBOL --fix --yes` make the symbol come out? The tree's own conf is
# the judge.
#
#   ci/kconfig/mend.sh [COUNT [SEED]]
#
# Takes COUNT random symbols (20 if left out) that Linux 6.1 has a prompt for on x86_64 and that are
# off in micro, has each turned on in a copy of the fragments, and gives those to `make allnoconfig`.
# A symbol that no line was found for counts as missed if conf turns it on in allyesconfig,
# allmodconfig or one of ten random configurations. Exits 1 if more than one in twenty of those that
# can be turned on was missed. conf needs about five seconds for each symbol.
set -euo pipefail
cd "$(dirname "$0")/../.."

count=${1:-20} seed=${2:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$(cargo xtask source fetch 6.1 2>/dev/null)
target=(--type micro --arch x86_64 --kernel-dir "$tree" --kernel-conf-dir "$work/conf")

conf() { # MODE [VARIABLE=value...]: leaves $work/obj/.config
    make -s -C "$tree" O="$work/obj" ARCH=x86_64 "$@" >"$work/conf.log" 2>&1 || { cat "$work/conf.log" >&2; exit 2; }
}
mkdir "$work/obj"

# Names with a prompt, as they stand in the Kconfig files that x86 may read.
find "$tree" -name 'Kconfig*' \( -path "$tree/arch/x86/*" -o -not -path "$tree/arch/*" \) | sort |
    xargs awk '
        /^[ \t]*(menu)?config[ \t]/ { name = $2 }
        /^[ \t]*(bool|tristate|prompt)[ \t]+"/ && name { print name; name = "" }
    ' | sort -u >"$work/prompted"

# Names that this tree has not, by what it calls them: conf does not know the history.
awk -F '"' '/^name/ { name = $2 } /^was/ { print name, $2 }' fragments/history.toml |
    while read -r name was; do
        grep -qx "$name" "$work/prompted" || echo "s/\\<CONFIG_$name\\>/CONFIG_$was/"
    done >"$work/translate"
asked() { sed '/^#/d; s#^#'"$work"'/conf/#' "$work/conf/micro-kernel-x86_64.list" | xargs cat | sed -f "$work/translate"; }

# What conf can turn on, as far as these configurations show.
{
    conf allyesconfig && cat "$work/obj/.config"
    conf allmodconfig && cat "$work/obj/.config"
    for random in $(seq 10); do
        conf randconfig KCONFIG_SEED="$random" && cat "$work/obj/.config"
    done
} | sed -n 's/^CONFIG_\(.*\)=y$/\1/p' | sort -u >"$work/possible"

cp -r fragments "$work/conf"
asked >"$work/asked"
conf allnoconfig KCONFIG_ALLCONFIG="$work/asked"
sed -n 's/^CONFIG_\([^=]*\)=.*/\1/p' "$work/obj/.config" | sort >"$work/on"
comm -23 "$work/prompted" "$work/on" | awk -v seed="$seed" 'BEGIN { srand(seed) } { print rand() "\t" $0 }' |
    sort -g | sed -n "1,${count}s/.*\t//p" >"$work/wanted"

mended=0 missed=0 impossible=0
while read -r symbol; do
    rm -rf "$work/conf" && cp -r fragments "$work/conf"
    cargo xtask --quiet check "${target[@]}" --hypervisor stratovirt --want "$symbol" --fix --yes >"$work/told" 2>&1 || true
    if ! asked | cmp -s - "$work/asked"; then
        asked >"$work/changed"
        conf allnoconfig KCONFIG_ALLCONFIG="$work/changed"
        if grep -qx "CONFIG_$symbol=y" "$work/obj/.config"; then
            mended=$((mended + 1))
        else
            missed=$((missed + 1))
            echo "missed: $symbol is not y for conf with" $(diff "$work/asked" "$work/changed" | grep '^>')
        fi
    elif grep -qx "$symbol" "$work/possible"; then
        missed=$((missed + 1))
        echo "missed: $symbol can be turned on, and no lines were found"
    else
        impossible=$((impossible + 1))
    fi
done <"$work/wanted"
echo "$mended mended, $missed missed, $impossible that nothing turns on, as far as conf shows"
[ $((missed * 20)) -le $((mended + missed)) ]
