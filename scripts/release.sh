#!/usr/bin/env bash
# Makes the files of a release: for every platform an archive with program,
# documents, deployment files and licences, and a bill of materials; deb and rpm
# packages; a Windows Installer package; the Helm charts; manifests for winget and
# Homebrew; and SHA256SUMS. The same source and the same tools give the same bytes on
# every machine and at any time: scripts/check-reproducible.sh proves this.
#
#   scripts/release.sh v1.2.3 dist
#   REPOSITORY=owner/name scripts/release.sh v1.2.3 dist   # documents and manifests name it
#   TARGETS="linux/amd64" scripts/release.sh v1.2.3 dist
#
# The Windows Installer package needs wixl (Debian: wixl). Without wixl, that
# package and the manifest for winget are left out and a message says so; with CI=true
# this is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1
mkdir -p "$2"
dist=$(cd "$2" && pwd)
# A third part is the version of the Go Cryptographic Module to build with, see docs/fips.md.
targets=${TARGETS:-linux/amd64 linux/arm64 windows/amd64 windows/arm64 darwin/amd64 darwin/arm64 linux/amd64/v1.0.0 linux/arm64/v1.0.0 windows/amd64/v1.0.0}
repository=${REPOSITORY:-}

umask 022
export TZ=UTC LC_ALL=C GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false -mod=readonly"
# The time in archives is the time of the commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd scripts/tools && go build -o "$work/cyclonedx-gomod" github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod)
go build -o "$work/archive" ./scripts/archive
archive() { "$work/archive" -version "$version" -repository "$repository" "$@"; }

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

# settle gives a folder one time and the modes of a checkout, independent of the umask.
settle() {
  chmod -R u=rwX,go=rX "$1"
  find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# pack FOLDER archives a folder of $work.
pack() {
  settle "$work/$1"
  case $1 in
  *windows*) (cd "$work" && rm -f "$dist/$1.zip" && find "$1" -type f | sort | zip -q -X -@ "$dist/$1.zip") ;;
  *) tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$1" | gzip -n -9 >"$dist/$1.tar.gz" ;;
  esac
}

# packages ARCH FOLDER makes the deb and rpm package of a Linux archive.
packages() {
  local stage=$work/package-$1 rpm_arch=x86_64
  [ "$1" = amd64 ] || rpm_arch=aarch64
  [ -x "$work/nfpm" ] || (cd packaging/tools && go build -o "$work/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm)
  mkdir -p "$stage"
  cp -r "$2" "$stage/documents"
  mv "$stage/documents/hmaproxy" "$stage/program"
  cp -r packaging/deb packaging/rpm packaging/nfpm.yaml "$stage/"
  mv "$stage/deb/lintian" "$stage/lintian"
  for page in hmaproxy.1 hmaproxy.env.5; do gzip -n -9 <"deploy/man/$page" >"$stage/$page.gz"; done
  { cat LICENSE; printf '\n\nThe program contains these modules:\n\n'; cat "$2/LICENSES-of-dependencies.txt"; } >"$stage/copyright"
  settle "$stage"
  archive -package "$stage"
  local owner=${repository%%/*}
  export PACKAGE_ARCH=$1 PACKAGE_VERSION=$version
  export PACKAGE_MAINTAINER="${owner:-OWNER} <${owner:-OWNER}@users.noreply.github.com>" PACKAGE_HOMEPAGE="https://github.com/${repository:-OWNER/hmaproxy}"
  local number=${version#v}
  { # in Debian's order of versions, 1.0~rc.1 comes before 1.0
    printf 'hmaproxy (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n' \
      "${number/-/\~}" "$PACKAGE_MAINTAINER" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
  } | gzip -n -9 >"$stage/changelog.gz"
  chmod 0755 "$stage/deb/"*
  touch -d "@$SOURCE_DATE_EPOCH" "$stage/changelog.gz" "$stage/hmaproxy.service" "$stage/hmaproxy.env"
  (cd "$stage" && "$work/nfpm" package --config nfpm.yaml --packager deb --target "$dist/hmaproxy_$1.deb" >"$work/said") || { cat "$work/said" >&2; return 1; }
  (cd "$stage" && "$work/nfpm" package --config nfpm.yaml --packager rpm --target "$dist/hmaproxy_$rpm_arch.rpm" >"$work/said") || { cat "$work/said" >&2; return 1; }
  printf '%s\n' "hmaproxy_$1.deb" "hmaproxy_$rpm_arch.rpm"
}

rm -f "$dist"/hmaproxy* "$dist/setup.sh" "$dist/SHA256SUMS"
for target in $targets; do
  IFS=/ read -r os arch fips <<<"$target"
  name=hmaproxy_${os}_${arch}${fips:+_fips140}
  export GOFIPS140=${fips:-off}
  folder=$work/$name
  mkdir -p "$folder"
  archive "$folder"
  program=hmaproxy
  [ "$os" != windows ] || program=hmaproxy.exe
  GOOS=$os GOARCH=$arch go build -ldflags "-s -w -X main.stamp=$version" -o "$folder/$program" ./cmd/hmaproxy
  licences "$os/$arch" >"$folder/LICENSES-of-dependencies.txt"
  pack "$name"
  GOOS=$os GOARCH=$arch "$work/cyclonedx-gomod" app -json -licenses -noserial -notimestamp -output-version 1.6 -main cmd/hmaproxy -output "$dist/$name.cdx.json" .
  echo "$name"
  [ "$os$fips" != linux ] || packages "$arch" "$folder"
  [ "$target" != windows/amd64 ] || packaging/windows/msi.sh "$version" "$folder" "$dist/$name.msi"
done
mkdir "$work/charts"
archive "$work/charts"
for chart in hmaproxy-sidecar hmaproxy-gateway; do
  mv "$work/charts/deploy/helm/$chart" "$work/$chart"
  pack "$chart" # the result of helm package, but with the same bytes each time
  mv "$dist/$chart.tar.gz" "$dist/$chart.tgz"
  echo "$chart.tgz"
done
cp deploy/azure/setup.sh "$dist/setup.sh" # for Azure Cloud Shell, which needs only this file
packaging/manifests.sh "$version" "$dist" "$work/archive" "$repository"
(cd "$dist" && sha256sum -- hmaproxy* setup.sh >SHA256SUMS)
