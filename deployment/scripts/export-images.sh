#!/usr/bin/env bash
# Writes dist/pinai-subnet-dist-<arch>-<timestamp>.tar.gz: everything that a server with Docker needs, and nothing else.
# Usage: export-images.sh [--out DIRECTORY] [--image NAME]
set -euo pipefail
cd "$(dirname "$0")/../.."

out=dist image=pinai-subnet:latest
while (($#)); do
  case $1 in
    --out) out=${2:?--out needs a directory}; shift 2 ;;
    --image) image=${2:?--image needs a name}; shift 2 ;;
    *) echo "usage: export-images.sh [--out DIRECTORY] [--image NAME]" >&2; exit 2 ;;
  esac
done

docker image inspect "$image" >/dev/null 2>&1 || { echo "export-images: no image $image; run: make build image" >&2; exit 1; }
label() { docker image inspect --format "{{index .Config.Labels \"org.opencontainers.image.$1\"}}" "$image"; }
arch=$(docker image inspect --format '{{.Architecture}}' "$image")
version=$(label version)
name=pinai-subnet-dist-$arch-$(date -u +%Y%m%dT%H%M%SZ)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/$name

mkdir -p "$root"/{docker,config,scripts}
docker save "$image" | gzip -6 -n >"$root/image.tar.gz"
cp deployment/docker/docker-compose.yml "$root/docker/"
cp deployment/config/*.yaml "$root/config/"
cp deployment/scripts/deploy.sh "$root/scripts/"
cp deployment/{install.sh,.env.example,README.md,QUICKSTART.md,ARCHITECTURE.md} "$root/"
cp build/image/pinai-subnet.cdx.json "$root/"
cat >"$root/manifest.json" <<JSON
{
  "name": "pinai-subnet",
  "version": "$version",
  "commit": "$(label revision)",
  "architecture": "$arch",
  "image": "$image",
  "image_id": "$(docker image inspect --format '{{.Id}}' "$image")"
}
JSON
(cd "$root" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum >SHA256SUMS)
mkdir -p "$out"
tar -C "$work" --owner=0 --group=0 --sort=name -czf "$out/$name.tar.gz" "$name"
(cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
echo "$out/$name.tar.gz"
