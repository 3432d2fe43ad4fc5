# shellcheck shell=bash disable=SC2154 # variables of deploy.sh, which sources this
# Part of deploy.sh: another key for a validator that runs here.

rotating=$home/.rotating # whose agreed key its container has not taken yet, and the address of the former one

rotates() { [[ -f $rotating && $(cut -d' ' -f1 "$rotating") == "$1" ]]; }

rotate_key() { # rotate_key VALIDATOR: agreed on first, then the container takes it, with all that it has signed
  (($# == 1)) || { usage >&2; exit 2; }
  local words=(validator rotate-key "$1" --container) former address service others
  [[ -z $dry_run ]] || { with_network "${words[@]}" --dry-run; return; }
  if ! rotates "$1"; then
    refuse_unfinished
    if ready "$1"; then spare "$1"; fi
    mount_mode=rw with_network "${words[@]}" --wait "${JOIN_SECONDS:-600}"
    read -r former address < <(next_key "$1")
    echo "$1 $former" >"$rotating"
  fi
  # From here on everything can be repeated, and has to be until the container runs with the key.
  read -r service former <"$rotating"
  read -r _ address < <(next_key "$1")
  mount_mode=rw with_network compose take-key "$1"
  quietly compose stop "$1"
  at_work --network none --tmpfs /tmp --user "$image_uid:$image_uid" --volume "$home/data/$1:/data" \
    --entrypoint /app/bin/subnetctl "$image" compose carry-record "/data/$1/signing-record.log" "$former" "$address"
  load_environment
  start_again "$1"
  # The others have its public key from .env: whose definition changed by that is recreated, one after the other.
  mapfile -t others < <(service_order | grep -vx "$1")
  for service in "${others[@]}"; do start_again "$service"; done
  mount_mode=rw tool --network none -- compose finish-key "$1" --home /deployment
  close_way_back
  rm -f "$rotating"
  prove
  say "$1 signs with its new key"
  remind_identity
}

next_key() { tool --network none -- compose next-key "$1" --home /deployment; }

start_again() {
  quietly compose up --detach --no-deps "$1"
  wait_ready "$1"
}
