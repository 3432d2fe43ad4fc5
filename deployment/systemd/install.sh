#!/usr/bin/env bash
# Installs the services of a subnet on a host with systemd and without a container engine: the binaries of this
# distribution (or of `make build`), units, and for each service a credential with its own key only.
#
# Usage: install.sh [--home DIRECTORY] [--development] [--root DIRECTORY] [MEMBER...]
#   --home DIRECTORY  a network made by `subnetctl init`: .env and config/; without it only the binaries are put in place
#   MEMBER...         what runs on this host: registry, matcher, validator-1, …; without it the registry and everything
#                     that has a key in .env, with --development the development RootLayer as well
#   --root DIRECTORY  install below this directory and start nothing
#
# Run again with newer binaries it replaces them and the units; configuration and keys that are there are kept.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
home='' root='' development='' members=()
while (($#)); do
  case $1 in
    --home) home=${2:?--home needs a directory}; shift 2 ;;
    --root) root=$(realpath -m "${2:?--root needs a directory}"); shift 2 ;;
    --development) development=1; shift ;;
    -*) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *) members+=("$1"); shift ;;
  esac
done
fail() { printf '%s %s\n  where: %s\n  fix:   %s\n' "$1" "$2" "$3" "$4" >&2; exit 78; }
[[ -n $root || $(id -u) == 0 ]] || { echo "installing services needs root: sudo $0; or --root DIRECTORY" >&2; exit 1; }
opt=$root/opt/pinai-subnet etc=$root/etc/pinai-subnet units=$root/etc/systemd/system

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
binaries() { # the tree of binaries: of a source tree, or out of the image of a distribution, without an engine
  if [[ -x $here/../../bin/subnetctl ]]; then
    cp -a "$here/../../bin" "$work/bin"
    return
  fi
  [[ -f $here/../image.tar.gz ]] ||
    fail SN-H064 "there are neither binaries nor an image here" "$here/.." "run: make build; or unpack the distribution again"
  bash "$here/../install.sh" --verify "$here/.."
  mkdir "$work/image"
  gzip -dc "$here/../image.tar.gz" | tar -x -C "$work/image"
  local layer
  grep -oE '"Layers":\[[^]]*' "$work/image/manifest.json" | grep -oE '"[^"]+"' | tr -d '"' | grep -v Layers |
    while read -r layer; do
      ! tar -tf "$work/image/$layer" app/bin/subnetctl >/dev/null 2>&1 || tar -xf "$work/image/$layer" -C "$work" app/bin
    done
  mv "$work/app/bin" "$work/bin"
}
binaries
version=$("$work/bin/subnetctl" version) ||
  fail SN-H063 "the binaries do not run on this host ($(uname -m))" "$here" "take the distribution for this architecture"

mkdir -p "$opt" "$units"
rm -rf "$opt/bin.old"
[[ ! -e $opt/bin ]] || mv "$opt/bin" "$opt/bin.old" # a service that runs keeps its open files; it is restarted below
mv "$work/bin" "$opt/bin"
rm -rf "$opt/bin.old"
echo "$opt/bin: $version"
if [[ -z $home ]]; then
  echo "next: $opt/bin/subnetctl init --home DIRECTORY, then: $0 --home DIRECTORY"
  exit
fi

"$opt/bin/subnetctl" units files --home "$home" --to "$etc"
for file in pinai-subnet.target pinai-{registry,rootlayer,matcher,console}.service pinai-{validator,agent}@.service \
  pinai-.service.d/10-common.conf; do
  mkdir -p "$(dirname "$units/$file")"
  sed "s#/opt/pinai-subnet#$opt#g; s#/etc/pinai-subnet#$etc#g" "$here/$file" >"$units/$file"
done

if ((${#members[@]} == 0)); then
  members=(registry)
  [[ -z $development ]] || members+=(rootlayer)
  for key in "$etc"/keys/*.key; do members+=("$(basename "$key" .key)"); done
fi
services=()
for member in "${members[@]}"; do
  case $member in
    validator-* | agent-*) services+=("pinai-${member%-*}@${member##*-}.service") ;;
    *) services+=("pinai-$member.service") ;;
  esac
done
if [[ -n $root ]]; then
  printf '%s\n' "${services[@]}"
  exit
fi
systemctl daemon-reload
systemctl enable --quiet pinai-subnet.target "${services[@]}"
systemctl try-restart "${services[@]}"
echo "enabled: ${services[*]}"
echo "next: systemctl start pinai-subnet.target"
