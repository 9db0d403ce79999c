#!/usr/bin/env bash
# Writes the build context of a release's image: the programs in the archives of
# scripts/release.sh, and the last stage of the Dockerfile. Nothing is compiled, so
# image and archives contain the same program, and no emulation of another processor
# is needed.
#
#   scripts/release-image.sh dist image
#   scripts/release-image.sh dist image-fips140 _fips140
#   docker buildx build --platform linux/amd64,linux/arm64 image
set -euo pipefail
dist=$(cd "$1" && pwd)
mkdir -p "$2"
variant=${3:-}
context=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."

for arch in amd64 arm64; do
  archive=$dist/hmaproxy_linux_$arch$variant.tar.gz
  mkdir -p "$context/$arch/etc/ssl/certs"
  tar -xzf "$archive" -C "$context/$arch" --strip-components=1 --wildcards '*/hmaproxy'
  cp /etc/ssl/certs/ca-certificates.crt "$context/$arch/etc/ssl/certs/"
done
{
  echo "FROM scratch"
  echo "ARG TARGETARCH"
  # shellcheck disable=SC2016 # docker's variable
  echo 'COPY $TARGETARCH/ /'
  sed -n '/^FROM scratch/,$p' Dockerfile | grep -v -e '^FROM' -e '^COPY'
} >"$context/Dockerfile"
cat "$context/Dockerfile"
find "$context" -type f | sort
