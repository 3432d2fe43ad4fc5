# shellcheck shell=bash disable=SC2154 # variables of deploy.sh, which sources this
# Part of deploy.sh: another key for a validator that runs here.

rotate_key() { # rotate_key SERVICE: agreed on first, then the container takes it, with all that it has signed
  (($# == 1)) || { usage >&2; exit 2; }
  local words=(validator rotate-key "$1" --container) former address service
  [[ -z $dry_run ]] || { with_network "${words[@]}" --dry-run; return; }
  refuse_unfinished
  mount_mode=rw with_network "${words[@]}" --wait "${JOIN_SECONDS:-600}"
  read -r former address < <(tool --network none -- compose next-key "$1" --home /deployment)
  compose stop "$1" >"$scratch/stop" 2>&1 || { cat "$scratch/stop" >&2; exit 1; }
  docker run --rm --log-driver none --network none --read-only --tmpfs /tmp --user "$image_uid:$image_uid" --cap-drop ALL \
    --security-opt no-new-privileges --volume "$home/data/$1:/data" --entrypoint /app/bin/subnetctl "$image" \
    compose carry-record "/data/$1/signing-record.log" "$former" "$address"
  mount_mode=rw with_network compose take-key "$1"
  load_environment
  # The others have its public key from .env: whose definition changed by that is recreated, one after the other.
  for service in "$1" $(containers | grep -vx "$1"); do
    compose up --detach --no-deps "$service" >"$scratch/up" 2>&1 || { cat "$scratch/up" >&2; exit 1; }
    wait_ready "$service"
  done
  prove
  say "$1 signs with its new key"
  remind_identity
}
