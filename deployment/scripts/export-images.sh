#!/usr/bin/env bash
# Writes dist/pinai-subnet-dist-<arch>-<timestamp>.tar.gz: everything that a server with Docker needs, and nothing else.
# Usage: export-images.sh [--out DIRECTORY] [--image NAME] [--sign KEY]
#
# --sign KEY signs the list of checksums with an SSH key (a file, or a public key whose private part ssh-agent holds);
# install.sh --verify-with ALLOWED_SIGNERS checks that.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=dist image=pinai-subnet:latest key=
while (($#)); do
  case $1 in
    --out) out=${2:?--out needs a directory}; shift 2 ;;
    --image) image=${2:?--image needs a name}; shift 2 ;;
    --sign) key=${2:?--sign needs a key file}; shift 2 ;;
    *) echo "usage: export-images.sh [--out DIRECTORY] [--image NAME] [--sign KEY]" >&2; exit 2 ;;
  esac
done

docker image inspect "$image" >/dev/null 2>&1 || { echo "export-images: no image $image; run: make build image" >&2; exit 1; }
label() { docker image inspect --format "{{index .Config.Labels \"$1\"}}" "$image"; }
arch=$(docker image inspect --format '{{.Architecture}}' "$image")
version=$(label org.opencontainers.image.version)
name=pinai-subnet-dist-$arch-$(date -u +%Y%m%dT%H%M%SZ)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/$name

mkdir -p "$root"/{docker,config,scripts/lib}
docker save "$image" | gzip -6 -n >"$root/image.tar.gz"
cp deployment/docker/docker-compose.yml "$root/docker/"
cp deployment/config/*.yaml "$root/config/"
cp deployment/scripts/deploy.sh "$root/scripts/"
cp deployment/scripts/lib/*.sh "$root/scripts/lib/"
cp -r deployment/systemd "$root/systemd"
cp -r deployment/observability "$root/"
cp deployment/{install.sh,.env.example,README.md,QUICKSTART.md,ARCHITECTURE.md} "$root/"
cp build/image/{pinai-subnet.cdx.json,SOURCES.md} "$root/"
cat >"$root/manifest.json" <<JSON
{
  "name": "pinai-subnet",
  "version": "$version",
  "commit": "$(label org.opencontainers.image.revision)",
  "architecture": "$arch",
  "data_format": "$(label pinai-subnet.data-format)",
  "oldest_data_format": "$(label pinai-subnet.oldest-data-format)",
  "image": "$image",
  "image_id": "$(docker image inspect --format '{{.Id}}' "$image")"
}
JSON
(cd "$root" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum >SHA256SUMS)
[[ -z $key ]] || ssh-keygen -q -Y sign -n pinai-subnet -f "$key" "$root/SHA256SUMS"
mkdir -p "$out"
tar -C "$work" --owner=0 --group=0 --sort=name -czf "$out/$name.tar.gz" "$name"
(cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
echo "$out/$name.tar.gz"
