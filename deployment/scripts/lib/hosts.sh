# shellcheck shell=bash disable=SC2154 # variables of deploy.sh, which sources this
# Part of deploy.sh: several hosts, one validator on each. Invited on one, joined on another, approved on all.

on_several_hosts() { [[ -n ${HOST_SERVICES:-} ]]; }

joining() { [[ -f $home/invitation.json ]]; }

with_network() { # with_network WORDS…: subnetctl as the containers see the world, also while none runs
  local name=${NETWORK_NAME:-subnet-network}
  docker network inspect "$name" >/dev/null 2>&1 || name=bridge
  tool --network "$name" -- "$@" --home /deployment
}

announce() { mount_mode=rw with_network validator announce --wait "${JOIN_SECONDS:-600}"; }

refresh() { # take over the set as the network has it
  local before interrupted=
  [[ -z $dry_run ]] || { say "would write the set as it is now into config/network.yaml"; return; }
  [[ ! -f $set_changed ]] || interrupted=1
  touch "$set_changed"
  before=$(sha256sum <"$home/config/network.yaml")
  mount_mode=rw with_network validator refresh || return 1
  if [[ -n $interrupted || $(sha256sum <"$home/config/network.yaml") != "$before" ]]; then restart_readers; fi
  rm -f "$set_changed"
}

set_changed=$home/.set-changed # there while matcher and console may not know the set that network.yaml has

restart_readers() { # matcher and console read the set when they start
  local here
  mapfile -t here < <(containers | grep -xE 'matcher|console')
  ((${#here[@]} == 0)) || restart "${here[@]}"
}

invite() { with_network validator invite "$@"; }

join() {
  (($# == 1)) && [[ -f $1 ]] || { usage >&2; exit 2; }
  check_engine
  check_image
  [[ -n $dry_run ]] && { say "would make .env with a new key, docker/docker-compose.yml and config/ from $1"; return; }
  mount_mode=rw tool --network none --volume "$(realpath "$1"):/package:ro" -- \
    validator join /package --home /deployment
  say "back up $home/.env now: its key cannot be made again"
  up
}

approve() {
  [[ -n $dry_run ]] && { with_network validator approve "$@" --dry-run; return; }
  with_network validator approve "$@"
  refresh
}

move() {
  (($# == 1)) && on_several_hosts || { usage >&2; exit 2; }
  local number endpoints=() end name port
  number=$(grep -oE 'validator-[0-9]+' <<<"$HOST_SERVICES" | head -1)
  for end in grpc http raft; do
    name=VALIDATOR_${number#validator-}_${end^^}
    port=${!name##*:}
    endpoints+=("--$end" "$1:$port")
  done
  [[ -n $dry_run ]] && { with_network validator move "$number" "${endpoints[@]}" --dry-run; return; }
  mount_mode=rw with_network validator move "$number" "${endpoints[@]}" --wait "${JOIN_SECONDS:-600}"
  load_environment
  restart
  up
}

remove() { # remove VALIDATOR: of another host, which is lost or given up
  (($# == 1)) && on_several_hosts || { usage >&2; exit 2; }
  if [[ ,$HOST_SERVICES, == *,"$1",* ]]; then
    problem SN-H082 "$1 is the validator of this host" "HOST_SERVICES in $home/.env" \
      "on another host: ./scripts/deploy.sh remove $1; then nothing of it has to run here any more"
    refuse_if_problems
  fi
  [[ -n $dry_run ]] && { with_network validator remove "$1" --dry-run; return; }
  touch "$set_changed" # whatever ends this in the middle, the next refresh tells matcher and console
  mount_mode=rw with_network validator remove "$1" --wait "${JOIN_SECONDS:-600}"
  restart_readers
  rm -f "$set_changed"
}

peers() { with_network validator peers; }
