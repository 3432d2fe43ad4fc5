#!/usr/bin/env bash
# Packs the binaries of `make build` into the image pinai-subnet:latest (and :VERSION) of this machine's architecture,
# and writes what is inside to build/image/: pinai-subnet.cdx.json (CycloneDX) and SOURCES.md (licences, and where the
# sources are). Usage: build-images.sh [--name NAME]
set -euo pipefail
cd "$(dirname "$0")/../.."

name=pinai-subnet
while (($#)); do
  case $1 in
    --name) name=${2:?--name needs a value}; shift 2 ;;
    *) echo "usage: build-images.sh [--name NAME]" >&2; exit 2 ;;
  esac
done
say() { printf 'build-images: %s\n' "$*" >&2; }

[[ -x bin/subnetctl ]] || { say "there are no binaries in bin/; run: make build"; exit 1; }
docker info >/dev/null 2>&1 ||
  { say "no container engine answers; start it, or add yourself to its group: sudo usermod -aG docker $(id -un)"; exit 1; }

read -r _ version commit < <(bin/subnetctl --version)
commit=${commit//[()]/}
number_of() { bin/subnetctl version --json | sed -nE "s/.*\"$1\": ([0-9]+).*/\1/p"; }
epoch=$(git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH=$epoch

scripts/image-base build/base
context=build/image/context
rm -rf "$context"
mkdir -p "$context/data"
cp -al build/base "$context/base"
cp -al bin "$context/bin"
install -m 755 deployment/docker/entrypoint.sh "$context/entrypoint.sh"
touch -d "@$epoch" "$context/entrypoint.sh" "$context/data"

build/freeze/venv/bin/python scripts/write-sbom --packages build/base.packages --debian-sources build/base.sources --version "$version" \
  --epoch "$epoch" --out build/image/pinai-subnet.cdx.json --sources build/image/SOURCES.md

docker build --quiet --file deployment/docker/Dockerfile --tag "$name:latest" --tag "$name:$version" \
  --build-arg VERSION="$version" --build-arg COMMIT="$commit" \
  --build-arg DATA_FORMAT="$(number_of data_format)" --build-arg OLDEST_DATA_FORMAT="$(number_of oldest_data_format)" \
  --build-arg CREATED="$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" "$context" >/dev/null
# The finished image proves itself: no network, nothing writable, no privileges.
docker run --rm --network none --read-only --cap-drop ALL --security-opt no-new-privileges "$name:latest" \
  subnetctl --version >/dev/null
say "$name:latest = $name:$version ($commit), $(docker image inspect --format '{{.Size}}' "$name:latest" |
  awk '{printf "%.1f", $1 / 1e6}') MB; parts list: build/image/pinai-subnet.cdx.json"
