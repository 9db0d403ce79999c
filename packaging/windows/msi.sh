#!/usr/bin/env bash
# Makes the Windows Installer package from the folder of an archive, with wixl.
#
#   packaging/windows/msi.sh v1.2.3 FOLDER hmaproxy_windows_amd64.msi
set -euo pipefail
version=$1 folder=$2 output=$3
if ! command -v wixl >/dev/null; then
  echo "NOT MADE: $(basename "$output") needs wixl (Debian: wixl)" >&2
  [ "${CI:-}" != true ]
  exit
fi
source=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=${version#v}
number=${number%%-*} # Windows Installer accepts only numbers in a version

# id NAME prints a GUID that depends only on the name, so that a release has the same
# GUIDs on every machine.
id() { printf 'hmaproxy %s' "$1" | sha256sum | sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/\1-\2-5\3-a\4-\5/' | tr '[:lower:]' '[:upper:]'; }

# folder DIRECTORY INDENT prints the elements of a folder and of everything below it.
components=()
folder() {
  local directory=$1 entry name key files=()
  for entry in "$directory"/*; do
    [ ! -f "$entry" ] || files+=("$entry")
  done
  if ((${#files[@]})); then
    key=$(printf '%s' "${directory#"$root"}" | tr -c 'A-Za-z0-9\n' _)
    components+=("C$key")
    printf '<Component Id="C%s" Guid="%s" Win64="yes">\n' "$key" "$(id "component ${directory#"$root"}")"
    for entry in "${files[@]}"; do
      name=$(basename "$entry")
      printf '<File Id="%s" Name="%s" Source="%s"%s/>\n' "$(file_id "$entry")" "$name" "${entry#"$root"/}" "$([ "$entry" != "${files[0]}" ] || echo ' KeyPath="yes"')"
    done
    if [ "$directory" = "$root" ]; then
      # A running service keeps its program file open, so it is stopped before an
      # update. The program registers and removes the service itself; see the custom
      # actions.
      echo '<ServiceControl Id="Stop" Name="hmaproxy" Stop="both" Wait="yes"/>'
    fi
    echo '</Component>'
  fi
  for entry in "$directory"/*; do
    [ -d "$entry" ] || continue
    printf '<Directory Id="D%s" Name="%s">\n' "$(printf '%s' "${entry#"$root"}" | tr -c 'A-Za-z0-9\n' _)" "$(basename "$entry")"
    folder "$entry"
    echo '</Directory>'
  done
}
file_id() {
  case ${1#"$root"/} in
  hmaproxy.exe) echo Program ;;
  *) printf 'F%s' "$(printf '%s' "${1#"$root"}" | sha256sum | cut -c1-16)" ;;
  esac
}

root=$(cd "$folder" && pwd)
folder "$root" >"$work/files.wxi"
{
  echo '<Include>'
  cat "$work/files.wxi"
  echo '</Include>'
} >"$work/tree.wxi"
{
  echo '<Include>'
  printf '<ComponentRef Id="%s"/>\n' "${components[@]}"
  echo '</Include>'
} >"$work/components.wxi"
output=$(cd "$(dirname "$output")" && pwd)/$(basename "$output")
cd "$root" # wixl finds files only by relative names
wixl --arch x64 -I "$work" -D "VERSION=$number" -D "PRODUCT=$(id "product $version")" -D "PACKAGE=$(id "package $version")" -o "$output" "$source/hmaproxy.wxs"
basename "$output"
