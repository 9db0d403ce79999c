#!/usr/bin/env bash
# Proves that releases can be reproduced. It makes a release twice, from two
# copies of the source in folders of different names, with separate build caches
# and different time zones and umasks, and compares every byte. wixl writes the
# time into the Windows Installer package and orders its tables differently each
# time, so only the files in the package are compared. The manifest of winget
# contains the package's checksum and is not compared.
#
#   TARGETS="linux/amd64" scripts/check-reproducible.sh     # fewer platforms
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" = 0 ] && ! command -v wixl >/dev/null && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wixl msitools
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
revision=$(git rev-parse HEAD)

once() { # NAME ZONE MASK
  git clone -q --no-hardlinks . "$work/$1/source-of-$1"
  git -C "$work/$1/source-of-$1" checkout -q --detach "$revision"
  (umask "$3" && TZ=$2 GOCACHE=$work/$1/cache "$work/$1/source-of-$1/scripts/release.sh" v0.0.0-check "$work/$1/dist" >/dev/null)
}
once first UTC 022
sleep 2 # the times in zip archives have a resolution of two seconds
once second Asia/Tokyo 077
reproducible() { grep -v -e '\.msi$' -e 'winget\.installer' "$work/$1/dist/SHA256SUMS"; }
diff <(reproducible first) <(reproducible second)
if [ -e "$work/first/dist/hmaproxy_windows_amd64.msi" ]; then
  for copy in first second; do msiextract -C "$work/$copy/msi" "$work/$copy/dist/hmaproxy_windows_amd64.msi" >/dev/null; done
  diff -r "$work/first/msi" "$work/second/msi"
fi
cat "$work/first/dist/SHA256SUMS"
echo "both times the same"
