#!/usr/bin/env bash
# $(lineno) in the value of a `:=` is the line after it.
#
# Versions: conf of linux-kbuild-6.12.117+deb12 6.12.117-1~deb12u1 (Debian 12); the same with conf of 5.10.262, 6.1.192 and 7.3.4.
# Documentation/kbuild/kconfig-macro-language.rst: "$(lineno) expands to the line number being parsed."
#
# Expected: `HERE := $(lineno)` on line 1 gives 1, as $(lineno) does in a statement of its own and in a default.
# Behaviour: it gives 2. The grammar takes the end of the line before it expands the value, and the lexer counts lines as it
# meets their ends. On line 2, $(info,...) says 2; the default on line 10 says 10.
# Way out: $(lineno) in the statement that needs it, not by way of a simple variable.
#
# Exits 0 while that is so, 1 once it is not. Needs apt with a Debian mirror; changes nothing of the host.
set -euo pipefail
package=linux-kbuild-6.12.117+deb12 version=6.12.117-1~deb12u1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -o APT::Sandbox::User=root -qq download "$package=$version" >/dev/null
dpkg-deb -x ./*.deb unpacked
conf=$(echo "$work"/unpacked/usr/lib/linux-kbuild-*/scripts/kconfig/conf)

cat >Kconfig <<'EOF'
HERE := $(lineno)
$(info,line 2 says $(lineno))

config ASSIGNED
	string
	default "$(HERE)"

config DIRECT
	string
	default "$(lineno)"
EOF
"$conf" --alldefconfig Kconfig | grep says
grep CONFIG_ .config
# Output seen:
#   line 2 says 2
#   CONFIG_ASSIGNED="2"
#   CONFIG_DIRECT="10"
grep -qx 'CONFIG_ASSIGNED="2"' .config && grep -qx 'CONFIG_DIRECT="10"' .config
