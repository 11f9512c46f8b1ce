#!/usr/bin/env bash
# conf --savedefconfig drops what an old name asks for, without a word.
#
# Versions: conf of linux-kbuild-7.3.4+deb13 7.3.4-1~bpo13+1 (Debian trixie-backports, amd64; runs on Debian 12).
# `transitional` came with Linux 6.18: a symbol that is read from an old .config and never written, so that its heir,
# whose default it is, takes its value over.
#
# Expected: a minimal configuration made of an old .config (CONFIG_OLD_NAME=y) leads back to what olddefconfig makes of
# that .config, CONFIG_NEW_NAME=y; or a warning that it cannot.
# Behaviour: the heir's value equals its default while the old name is read, so the heir is not written; the old name never
# is. The minimal configuration is empty, the exit code 0, stderr silent, and defconfig from it gives NEW_NAME=n.
# allnoconfig with KCONFIG_ALLCONFIG, as merge_config.sh calls it, loses the value in the same way.
# Way out: run olddefconfig first, then savedefconfig with that .config.
#
# Exits 0 while that is so, 1 once it is not. Needs apt with a Debian mirror; changes nothing of the host.
set -euo pipefail
suite=trixie-backports package=linux-kbuild-7.3.4+deb13 version=7.3.4-1~bpo13+1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p lists/partial cache/archives/partial parts
mirror=$(apt-get indextargets --format '$(SITE)' | grep '/debian/*$' | head -n 1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >sources.list
own=(-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts"
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
apt-get "${own[@]}" -qq update
apt-get "${own[@]}" -qq download "$package=$version" >/dev/null
dpkg-deb -x ./*.deb unpacked
conf=$(echo "$work"/unpacked/usr/lib/linux-kbuild-*/scripts/kconfig/conf)

cat >Kconfig <<'EOF'
config OLD_NAME
	bool
	transitional

config NEW_NAME
	bool "A feature that was renamed"
	default OLD_NAME
EOF
seen() { grep NEW_NAME .config; }

echo CONFIG_OLD_NAME=y >.config
"$conf" --olddefconfig Kconfig >/dev/null
direct=$(seen)

echo CONFIG_OLD_NAME=y >.config
"$conf" --savedefconfig=minimal Kconfig >said 2>&1
"$conf" --defconfig=minimal Kconfig >/dev/null
through_minimal=$(seen)

echo CONFIG_OLD_NAME=y >asked
KCONFIG_ALLCONFIG=asked "$conf" --allnoconfig Kconfig >/dev/null
through_fragment=$(seen)

echo "olddefconfig:                    $direct"
echo "savedefconfig, then defconfig:   $through_minimal ($(wc -c <minimal) bytes between, $(wc -c <said) said)"
echo "allnoconfig with a fragment:     $through_fragment"
# Output seen:
#   olddefconfig:                    CONFIG_NEW_NAME=y
#   savedefconfig, then defconfig:   # CONFIG_NEW_NAME is not set (0 bytes between, 0 said)
#   allnoconfig with a fragment:     # CONFIG_NEW_NAME is not set
off='# CONFIG_NEW_NAME is not set'
[ "$direct" = CONFIG_NEW_NAME=y ] && [ "$through_minimal" = "$off" ] && [ ! -s minimal ] && [ ! -s said ] &&
    [ "$through_fragment" = "$off" ]
