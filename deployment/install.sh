#!/usr/bin/env bash
# Installs an unpacked distribution: checks that nothing is corrupt and that it fits this host, loads the image, and
# puts the files in place. Usage: ./install.sh [--to DIRECTORY] [--verify-with ALLOWED_SIGNERS]; without --to, this
# directory itself is the place.
#
# --verify-with FILE: refuse what is not signed by a key in FILE (the format is `ssh-keygen -Y verify`'s).
# --verify DIRECTORY: only check the distribution in DIRECTORY, with this script and not its own; change nothing.
#
# In a directory with an earlier version, .env, config/ and data/ are kept: new variables are added to .env (the old one
# is .env.bak), configuration that has changed here is put beside the present one as FILE.new.
set -euo pipefail

source=$(cd "$(dirname "$0")" && pwd)
target=$source signers='' only_verify=''
while (($#)); do
  case $1 in
    --to) target=${2:?--to needs a directory}; shift 2 ;;
    --verify-with) signers=$(realpath "${2:?--verify-with needs a file}"); shift 2 ;;
    --verify) only_verify=1 source=$(realpath "${2:?--verify needs a directory}"); shift 2 ;;
    *) echo "usage: install.sh [--to DIRECTORY] [--verify-with ALLOWED_SIGNERS] [--verify DIRECTORY]" >&2; exit 2 ;;
  esac
done
fail() { printf '%s %s\n  where: %s\n  fix:   %s\n' "$1" "$2" "$3" "$4" >&2; exit 78; }

cd "$source"
[[ -f SHA256SUMS && -f manifest.json ]] ||
  fail SN-H064 "SHA256SUMS or manifest.json is missing: this is not a whole distribution" "$source" "unpack it again"
if [[ -n $signers ]]; then
  [[ -f SHA256SUMS.sig ]] ||
    fail SN-H074 "the distribution is not signed" "$source/SHA256SUMS.sig" "ask its publisher for a signed one"
  signer=$(ssh-keygen -Y find-principals -s SHA256SUMS.sig -f "$signers" 2>/dev/null | head -1) &&
    ssh-keygen -q -Y verify -f "$signers" -I "$signer" -n pinai-subnet -s SHA256SUMS.sig <SHA256SUMS >/dev/null 2>&1 ||
    fail SN-H074 "SHA256SUMS is not signed by anybody in $signers" "$source/SHA256SUMS.sig" \
      "compare the allowed signers with what the publisher says; do not install this otherwise"
  echo "signed by $signer"
fi
while read -r sum name; do
  [[ -f $name ]] || fail SN-H064 "$name is missing" "$source/$name" "unpack the distribution again"
  [[ $(sha256sum <"$name") == "$sum "* ]] && continue
  if [[ -f .env && $name == @(config|docker)/* ]]; then
    echo "$name was changed here; kept"
    continue
  fi
  fail SN-H064 "$name is corrupt: its checksum is not the one in SHA256SUMS" "$source/$name" \
    "copy the distribution again and compare it with its .sha256 file"
done <SHA256SUMS
if [[ -n $only_verify ]]; then
  while IFS= read -r name; do
    grep -qF "  $name" SHA256SUMS ||
      fail SN-H064 "$name is not among the files of SHA256SUMS" "$source/$name" "unpack the distribution into an empty directory"
  done < <(find . -type f ! -name 'SHA256SUMS*' -printf '%P\n')
fi
echo "checksums: $(wc -l <SHA256SUMS) files compared"

value() { sed -nE "s/^ *\"$1\": \"(.*)\",?$/\1/p" manifest.json; }
case $(uname -m) in
  x86_64) here=amd64 ;;
  aarch64 | arm64) here=arm64 ;;
  *) here=$(uname -m) ;;
esac
[[ $(value architecture) == "$here" ]] ||
  fail SN-H063 "this distribution is for $(value architecture), this host is $here" "$source/manifest.json" \
    "take the distribution for $here"
[[ -z $only_verify ]] || exit 0
command -v docker >/dev/null && docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 ||
  fail SN-H060 "Docker with Compose v2 is missing, not running, or not open to $(id -un)" "docker info" \
    "install it: https://docs.docker.com/engine/install/, then: sudo usermod -aG docker $(id -un)"

gzip -dc image.tar.gz | docker load --quiet >/dev/null
[[ $(docker image inspect --format '{{.Id}}' "$(value image)") == "$(value image_id)" ]] ||
  fail SN-H064 "the engine loaded another image than the manifest names" "$source/image.tar.gz" "copy the distribution again"
echo "image: $(value image) $(value version) ($(value commit))"

place() { # place FILE…: new files are put in place; those that an operator may have changed are never overwritten
  local file
  for file; do
    mkdir -p "$(dirname "$target/$file")"
    if [[ ! -e $target/$file ]]; then
      cp "$file" "$target/$file"
    elif ! cmp -s "$file" "$target/$file"; then
      cp "$file" "$target/$file.new"
      echo "kept $file; the new one is $file.new"
    fi
  done
}
if [[ $target != "$source" ]]; then
  mkdir -p "$target"
  place docker/docker-compose.yml config/*.yaml
  mkdir -p "$target/scripts"
  cp -R scripts/. "$target/scripts/"
  cp install.sh .env.example ./*.md manifest.json pinai-subnet.cdx.json "$target/"
fi
if [[ -f $target/.env ]]; then
  added=()
  while IFS= read -r line; do
    name=${line%%=*}
    grep -qE "^(export +)?$name *=" "$target/.env" || added+=("$line")
  done < <(grep -E '^[A-Z0-9_]+=[^ #]' .env.example)
  if ((${#added[@]})); then
    cp -p "$target/.env" "$target/.env.bak"
    [[ -z $(tail -c 1 "$target/.env") ]] || echo >>"$target/.env"
    printf '%s\n' "${added[@]}" >>"$target/.env"
    echo ".env: ${#added[@]} variables added, yours kept; the old file is .env.bak"
  fi
  echo "next: $target/scripts/deploy.sh upgrade $(value image)   (what does not run yet: $target/scripts/deploy.sh)"
else
  echo "next: $target/scripts/deploy.sh init"
fi
