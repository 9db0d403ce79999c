#!/usr/bin/env bash
# Makes the manifests for winget and Homebrew from the files of a release, with their
# checksums. If the release does not have a file, the manifest for it is left out.
#
#   packaging/manifests.sh v1.2.3 DIST ARCHIVE-PROGRAM [owner/name]
set -euo pipefail
version=$1 dist=$2 program=$3 repository=${4:-}
cd "$(dirname "$0")"
date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d)

sum() { sha256sum "$dist/$1" | cut -d' ' -f1; }
# fill TEMPLATE OUTPUT NAME=VALUE... writes a manifest.
fill() {
  local template=$1 output=$2 expressions=()
  shift 2
  for pair in "$@"; do expressions+=(-e "s|@${pair%%=*}@|${pair#*=}|g"); done
  sed "${expressions[@]}" "$template" | "$program" -fill -version "$version" -repository "$repository" "$output"
  if grep -n '@[A-Z_]*@' "$output"; then
    echo "$output: a placeholder is left" >&2
    exit 1
  fi
  basename "$output"
}

if [ -e "$dist/hmaproxy_windows_amd64.msi" ]; then
  product=$(msiinfo export "$dist/hmaproxy_windows_amd64.msi" Property | sed -n 's/^ProductCode\t//p' | tr -d '\r')
  msi=$(sum hmaproxy_windows_amd64.msi)
  for part in version installer locale.en-US; do
    name=hmaproxy.winget.$part.yaml
    fill "winget/$part.yaml" "$dist/$name" "NUMBER=${version#v}" "VERSION=$version" "DATE=$date" "PRODUCT=$product" "MSI=${msi^^}"
  done
fi
if [ -e "$dist/hmaproxy_darwin_arm64.tar.gz" ] && [ -e "$dist/hmaproxy_darwin_amd64.tar.gz" ] && [ -e "$dist/hmaproxy_linux_arm64.tar.gz" ] && [ -e "$dist/hmaproxy_linux_amd64.tar.gz" ]; then
  fill homebrew/hmaproxy.rb "$dist/hmaproxy.rb" "NUMBER=${version#v}" "VERSION=$version" \
    "DARWIN_ARM64=$(sum hmaproxy_darwin_arm64.tar.gz)" "DARWIN_AMD64=$(sum hmaproxy_darwin_amd64.tar.gz)" \
    "LINUX_ARM64=$(sum hmaproxy_linux_arm64.tar.gz)" "LINUX_AMD64=$(sum hmaproxy_linux_amd64.tar.gz)"
fi
