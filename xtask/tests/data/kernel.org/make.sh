#!/bin/sh
# Makes the files beside it anew: what a mirror of kernel.org's has, signed by keys that exist for tests
# alone. Their secret halves go when this ends. Needs gpg, tar and xz.
set -eu
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d)
tree=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill gpg-agent; rm -rf "$GNUPGHOME" "$tree"' EXIT

# In the past, wherever it runs: nobody believes a key of the future.
at_new_year() {
    gpg --batch --quiet --yes --no-auto-check-trustdb --faked-system-time=20240101T000000 "$@"
}
key() { # address, how long it is good
    at_new_year --passphrase '' --quick-generate-key "Test key, trusts nothing <$1@example.org>" ed25519 sign "$2"
}
key signer never
key other never
key expired 1d

linux=$tree/linux-6.12.8
mkdir -p "$linux/scripts/kconfig" "$linux/arch/x86"
printf 'VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 8\nEXTRAVERSION =\n' >"$linux/Makefile"
echo 'mainmenu "Linux"' >"$linux/Kconfig"
touch "$linux/scripts/kconfig/conf.c" "$linux/arch/x86/Kconfig"
tar --create --xz --file=linux-6.12.8.tar.xz --sort=name --owner=0 --group=0 --mtime=@1700000000 \
    --directory="$tree" linux-6.12.8

# 6.12.9 is another file than the list says, and 6.12.10 has no entry.
{
    sha256sum linux-6.12.8.tar.xz
    printf '%064d  linux-6.12.9.tar.xz\n' 9
    printf '%064d  patch-6.12.10.xz\n' 10
} >"$tree/sums"

# Here it is the newest of its series.
{
    printf '%064d  linux-6.12.tar.xz\n' 0
    printf '%064d  linux-6.12.7.tar.xz\n' 7
    sha256sum linux-6.12.8.tar.xz
    printf '%064d  linux-6.1.100.tar.xz\n' 100
    printf '%064d  linux-6.13.1.tar.xz\n' 1
} >"$tree/newest"

sign() { # address, file, text
    at_new_year --digest-algo SHA256 --local-user "$1@example.org" --output "$2" --clear-sign "$tree/${3:-sums}"
}
sign signer sha256sums.asc
sign signer newest.asc newest
sign other by-other.asc
sign expired by-expired.asc
for name in signer expired; do
    at_new_year --armor --export-options export-minimal --output "$name-key.asc" --export "$name@example.org"
done
at_new_year --with-colons --list-keys | sed -n 's/^fpr:*\([0-9A-F]*\):$/\1/p; s/^uid.*<\(.*\)>.*/\1/p' | paste - - >fingerprints
