#!/usr/bin/env bash
# Run by the Dockerfile: builds the portable binary and puts the files of the image into a folder.
# Usage: docker/image-files.sh amd64|arm64 FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

case $1 in
  amd64) arch=x86_64 ;;
  arm64) arch=aarch64 ;;
  *)
    echo "image-files.sh: there is no image for $1, only for amd64 and arm64" >&2
    exit 2
    ;;
esac
folder=$2

scripts/portable "$arch"
documents=$folder/usr/share/doc/tap-postgres
mkdir -p "$folder"/{etc/ssl/certs,tmp,usr/bin} "$documents"
chmod 1777 "$folder/tmp"
install -m 755 -t "$folder/usr/bin" "build/portable/$arch/tap-postgres"
cp LICENSE README.md "build/portable/$arch/THIRD_PARTY_NOTICES" \
  "build/portable/$arch"/tap-postgres-*-source.tar.xz "$documents"
cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
echo 'tap:x:65532:65532::/work:/sbin/nologin' >"$folder/etc/passwd"
echo 'tap:x:65532:' >"$folder/etc/group"
install -d -m 755 -o 65532 -g 65532 "$folder/work"
