#!/usr/bin/env bash
# Makes the files of a release: for every platform an archive with program,
# licences and the files of its deploy folder, a bill of materials for each, and
# SHA256SUMS. The same source and the same Go give the same bytes, wherever and
# whenever it runs: scripts/check-reproducible.sh proves it.
#
#   scripts/release.sh v1.2.3 dist
#   TARGETS="linux/amd64" scripts/release.sh v1.2.3 dist
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1
mkdir -p "$2"
dist=$(cd "$2" && pwd)
# A third part is the version of the Go Cryptographic Module to build with, see docs/fips.md.
targets=${TARGETS:-linux/amd64 linux/arm64 windows/amd64 darwin/amd64 darwin/arm64 linux/amd64/v1.0.0 linux/arm64/v1.0.0 windows/amd64/v1.0.0}

umask 022
export TZ=UTC LC_ALL=C GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false -mod=readonly"
# the time in archives: that of the commit
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd scripts/tools && go build -o "$work/cyclonedx-gomod" github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod)

# licences TARGET prints the licence of every module in the program.
licences() {
  local modules
  modules=$(GOOS=${1%/*} GOARCH=${1#*/} go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/hmaproxy | sort -u)
  printf 'Go %s (https://go.dev)\n\n' "$(go env GOVERSION)"
  cat "$(go env GOROOT)/LICENSE"
  while read -r path module_version dir; do
    printf '\n\n%s %s\n\n' "$path" "$module_version"
    find "$dir" -maxdepth 1 -type f \( -iname 'LICEN[SC]E*' -o -iname 'NOTICE*' -o -iname 'COPYING*' \) | sort | xargs cat
  done <<<"$modules"
}

# pack FOLDER archives a folder of $work with everything in it of one time.
pack() {
  find "$work/$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  case $1 in
  *windows*) (cd "$work" && rm -f "$dist/$1.zip" && find "$1" -type f | sort | zip -q -X -@ "$dist/$1.zip") ;;
  *) tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$1" | gzip -n -9 >"$dist/$1.tar.gz" ;;
  esac
}

for target in $targets; do
  IFS=/ read -r os arch fips <<<"$target"
  name=hmaproxy_${version}_${os}_${arch}${fips:+_fips140}
  export GOFIPS140=${fips:-off}
  folder=$work/$name
  mkdir -p "$folder/docs"
  program=hmaproxy
  case $os in
  windows)
    program=hmaproxy.exe
    cp deploy/windows/* "$folder/" ;;
  linux)
    cp deploy/hmaproxy.env.example "$folder/"
    cp -r deploy/systemd deploy/compose deploy/kubernetes "$folder/" ;;
  *)
    cp deploy/hmaproxy.env.example "$folder/" ;;
  esac
  GOOS=$os GOARCH=$arch go build -ldflags "-s -w -X main.stamp=$version" -o "$folder/$program" ./cmd/hmaproxy
  cp docs/*.md "$folder/docs/"
  cp LICENSE SECURITY.md CHANGELOG.md "$folder/"
  licences "$os/$arch" >"$folder/LICENSES-of-dependencies.txt"
  chmod -R u=rwX,go=rX "$folder"
  pack "$name"
  GOOS=$os GOARCH=$arch "$work/cyclonedx-gomod" app -json -licenses -noserial -notimestamp -output-version 1.6 -main cmd/hmaproxy -output "$dist/$name.cdx.json" .
  echo "$name"
done
(cd "$dist" && sha256sum -- hmaproxy_"$version"_* >SHA256SUMS)
