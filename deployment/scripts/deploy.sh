#!/usr/bin/env bash
# Runs a network in containers on this host. Needs Docker with Compose v2 and the image; everything else is in it.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: deploy.sh [OPTIONS] [VERB]

  (no verb)             check, start, wait until the network has proven itself, report
  init [--validators N | --hosts A,B,C] [--development | --rootlayer-grpc HOST:PORT --rootlayer-http HOST:PORT]
                        make .env with fresh keys; --development: with a RootLayer and agents for trying out;
                        --hosts: one validator per host, this host first; makes a join package for each other
  invite --id validator-N --host ADDRESS [--grpc-port P] [--http-port P] [--raft-port P]
                        write a join package for another host to standard output; it holds no private key
  join PACKAGE          on another host: make .env with a key of its own, start, wait for approvals and its vote
  approve [ADDRESS]     approve who asks to join with the key ADDRESS, or the change under way
  move ADDRESS          this host has another address: tell the network, once others approve
  remove VALIDATOR      that of another host, which is lost or given up: take it out for good, once others approve
  refresh               take over the validators as they are now; matcher and console are restarted where they changed
  rotate-key VALIDATOR  another key for a validator of this host: agreed on by the network, then taken by its container
  rejoin VALIDATOR      that of this host whose data is lost or damaged: it fetches everything from the others, and only
                        then votes and signs
  peers                 who reaches whom, from all sides, and whose firewall is in the way
  check                 find everything that would go wrong, change nothing; measures the host, asks RootLayer and peers
  up                    check, start what does not run, wait, prove with one intent
  down                  stop and remove the containers; data, keys and configuration stay
  restart [SERVICE...]  recreate services one at a time in the order of an upgrade, each ready before the next; a validator
                        hands leadership over first, and one that cannot be spared is not taken
  upgrade TARBALL|IMAGE [--plan|--apply] [--stop] [--verify-with ALLOWED_SIGNERS]
                        to another version: followers, matcher, registry, others, the leader last, each ready before
                        the next; the first that is not goes back and ends it. --plan only shows, --stop takes all at once,
                        with a backup and copies before, and converts the data where the new version keeps it differently
  upgrade --resume | --rollback [--i-know] [--stopped] | --finish
                        go on with an upgrade that was interrupted or has stopped, or go back to the version before
                        (--i-know: even though what came after data was converted is lost; --stopped: start nothing,
                        all hosts go back and a restore follows); --finish: delete the copies that going back needs
  backup [save | list | verify FILE | drill FILE] [--key-file FILE]
                        a signed backup of the ledger into backups/; check one; prove one in a network of its own
  backup identity --to DIRECTORY
                        copy what cannot be made again: keys, configuration, Compose file
  restore FILE [--i-know] [--restore-id ID] [--epoch-floor N] [--key-file FILE]
                        begin a new life of the network from a backup; former data is moved aside
  reset [--yes] [--down] [--i-know]
                        delete the data of every service; keys, configuration and backups stay
  status                containers, readiness with reasons, validators
  ctl WORDS...          run subnetctl in the image, on the network and with this directory as its home, for example
                        ctl status, ctl intent explain ID, ctl intent submit --type echo --file - <payload
  logs [SERVICE...]     follow the logs
  debug                 write a support bundle: what helps others to help, without secrets
  fix-perms             give the data directories to the user of the containers (1000:1000)

  --dry-run             say what would be done
  --non-interactive     never ask; what would have to be asked is refused
  -h, --help            this text

Exit status: 0 done, 1 failed, 2 usage, 75 another deploy.sh runs, 78 wrong configuration or host.
TEXT
}

home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
compose_file=$home/docker/docker-compose.yml
# .env is read by the program in the image, so which image that is has to be found without it.
image=$(sed -nE "s/^(export +)?PINAI_IMAGE *= *[\"']?([^\"' #"$'\r'"]+).*/\2/p" "$home/.env" 2>/dev/null | tail -1 || true)
image=${image:-${PINAI_IMAGE:-pinai-subnet:latest}}
image_uid=1000
work_label=pinai-subnet.work=$home # of containers that change files
locked=                            # whether no other deploy.sh works here
ready_seconds=${READY_SECONDS:-180}
dry_run=
non_interactive=
problems=0

say() { printf '%s\n' "$*" >&2; }
problem() { # problem CODE MESSAGE WHERE FIX: the block that every tool of this project prints
  printf '%s %s\n  where: %s\n  fix:   %s\n\n' "$1" "$2" "$3" "$4" >&2
  problems=$((problems + 1))
}
refuse_if_problems() { ((problems == 0)) || { say "$problems problem(s); nothing was started"; exit 78; }; }

# --- the program inside the image: it alone reads .env and the configuration

tool() { # tool [OPTION…] -- WORDS…: run subnetctl without network and rights, as the user who owns the files
  local options=()
  while [[ $1 != -- ]]; do options+=("$1"); shift; done
  shift
  [[ -z $locked || ${mount_mode:-ro} != rw ]] || options+=(--label "$work_label")
  docker run --rm --log-driver none --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /tmp \
    --user "$(stat -c %u:%g "$home")" --volume "$home:/deployment:${mount_mode:-ro}" "${options[@]}" \
    --entrypoint /app/bin/subnetctl "$image" "$@"
}

load_environment() { # .env becomes this process's environment, read by the one parser that everything uses
  local pair
  while IFS= read -r -d '' pair; do
    export "${pair?}"
  done < <(tool --network none -- compose environment --home /deployment)
}

reach() { # the network of the containers where it is there: the program inside has to ask the members
  local name=${NETWORK_NAME:-subnet-network}
  if docker network inspect "$name" >/dev/null 2>&1; then echo "$name"; else echo none; fi
}

quietly() { # quietly WORDS…: what it says is of interest only where it fails, which ends this
  "$@" >"$scratch/said" 2>&1 || { cat "$scratch/said" >&2; exit 1; }
}

compose() { docker compose --env-file /dev/null --file "$compose_file" "$@"; }

# --- what can go wrong on a host

check_engine() {
  if ! command -v docker >/dev/null; then
    problem SN-H060 "Docker is not installed" "PATH" "install Docker: https://docs.docker.com/engine/install/"
  elif ! docker info >/dev/null 2>&1; then
    if [[ $(docker info 2>&1 || true) == *"permission denied"* ]]; then
      problem SN-H060 "$(id -un) may not use the container engine" "the engine's socket" \
        "sudo usermod -aG docker $(id -un), then log in again"
    else
      problem SN-H060 "the container engine does not answer" "the engine's socket" "sudo systemctl start docker"
    fi
  else
    local engine compose_version
    engine=$(docker version --format '{{.Server.Version}}')
    compose_version=$(docker compose version --short 2>/dev/null || echo none)
    older "$engine" 20.10 &&
      problem SN-H060 "Docker $engine is too old; expected 20.10 or newer" "docker version" "sudo apt-get install --only-upgrade docker-ce, or see https://docs.docker.com/engine/install/"
    [[ $compose_version != none ]] && ! older "${compose_version#v}" 2.20 ||
      problem SN-H060 "Compose is $compose_version; expected 2.20 or newer" "docker compose version" \
        "install the Compose plugin: https://docs.docker.com/compose/install/"
  fi
  refuse_if_problems
}

older() { # older VERSION THAN
  [[ $1 != "$2" && $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -1) == "$1" ]]
}

check_image() {
  local found expected
  if ! found=$(docker image inspect --format '{{.Architecture}}' "$image" 2>/dev/null); then
    problem SN-H063 "the image $image is not here" "docker images" \
      "./install.sh of a distribution loads it; from source: make build image"
  else
    expected=$(docker version --format '{{.Server.Arch}}')
    [[ $found == "$expected" ]] ||
      problem SN-H063 "the image is for $found, this engine runs $expected" "docker image inspect $image" \
        "take the distribution for $expected"
  fi
  refuse_if_problems
}

check_env() {
  [[ -f $home/.env ]] || {
    problem SN-C032 "there is no .env: no keys, no addresses" "$home/.env" "./scripts/deploy.sh init"
    refuse_if_problems
  }
}

check_configuration() {
  local status=0
  tool --network none -- config check --home /deployment >"$scratch/check" 2>&1 || status=$?
  if ((status)); then
    sed "s#/deployment#$home#g" "$scratch/check" >&2
    say ""
    problems=$((problems + 1))
    refuse_if_problems
  fi
}

check_rootlayer() {
  [[ ,${COMPOSE_PROFILES:-}, == *,dev,* ]] && return
  local name
  for name in ROOTLAYER_GRPC ROOTLAYER_HTTP; do
    [[ -n ${!name:-} ]] ||
      problem SN-C033 "$name is empty and this deployment has no RootLayer of its own" "$home/.env" \
        "set $name to host:port, or COMPOSE_PROFILES=dev for a development RootLayer"
  done
}

published_ports() { compose config --format json | grep -oE '"published": "[0-9]+"' | grep -oE '[0-9]+'; }

check_ports() {
  local port own holder address=${BIND_ADDRESS:-127.0.0.1}
  [[ $address != 0.0.0.0 ]] || address=127.0.0.1
  # An address that this host does not have yet, of a network that is not made yet, has no port that is taken.
  [[ $address == 127.* ]] || grep -qwF "$address" <<<"$(ip -4 -o address 2>/dev/null || true)" || return 0
  own=$(compose ps --quiet 2>/dev/null | xargs -r docker inspect --format '{{range $p, $b := .NetworkSettings.Ports}}{{range $b}}{{.HostPort}} {{end}}{{end}}' 2>/dev/null || true)
  for port in $(published_ports); do
    [[ " ${own//$'\n'/ } " == *" $port "* ]] && continue
    (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null || continue
    holder=$(docker ps --filter "publish=$port" --format 'container {{.Names}}' | head -1)
    [[ -n $holder ]] || holder=$(ss -ltnpH "sport = :$port" 2>/dev/null | grep -oE 'users:.*' | head -1 || true)
    problem SN-H001 "port $port is in use by ${holder:-another process}" "$(variable_of "$port")" \
      "stop it, or set $(variable_of "$port") in .env to another port, for example $((port + 10000))"
  done
}

variable_of() { # variable_of PORT: which variable of .env publishes it
  grep -oE '\$\{[A-Z0-9_]+_PORT:-[0-9]+\}' "$compose_file" | tr -d '${}' | while IFS=: read -r name default; do
    [[ ${!name:-${default#-}} == "$1" ]] && echo "$name"
  done | head -1
}

check_network() {
  local wanted=${SUBNET_CIDR:-172.28.0.0/16} mine=${NETWORK_NAME:-subnet-network} name range
  while read -r name range; do
    [[ $name == "$mine" || -z $range || $range == *:* ]] && continue
    overlap "$wanted" "$range" && problem SN-H061 "the network's range $wanted overlaps with $range of $name" \
      "SUBNET_CIDR in $home/.env" "set SUBNET_CIDR=$(free_range)"
  done < <(ranges)
  return 0
}

ranges() { # every range that this host routes somewhere: the engine's networks and the host's own
  docker network ls --quiet | xargs -r docker network inspect --format '{{$n := .Name}}{{range .IPAM.Config}}{{$n}} {{.Subnet}}{{"\n"}}{{end}}'
  ip -4 route 2>/dev/null | awk '$1 ~ /\// && $3 !~ /^(br-|docker)/ {print "interface-" $3, $1}' || true
}

number() { local a b c d; IFS=. read -r a b c d <<<"$1"; echo $(((a << 24) + (b << 16) + (c << 8) + d)); }

overlap() { # overlap RANGE RANGE
  local bits=$((${1#*/} < ${2#*/} ? ${1#*/} : ${2#*/}))
  (($(number "${1%/*}") >> (32 - bits) == $(number "${2%/*}") >> (32 - bits)))
}

free_range() {
  local second taken name range
  for second in 29 30 31 27 26 25 24; do
    taken=
    while read -r name range; do
      [[ -n $range && $range != *:* ]] && overlap "172.$second.0.0/16" "$range" && taken=1
    done < <(ranges)
    [[ -n $taken ]] || { echo "172.$second.0.0/16"; return; }
  done
}

check_data() {
  local service owner
  for service in $(data_services); do
    [[ -e $home/data/$service ]] || continue
    owner=$(stat -c %u:%g "$home/data/$service")
    [[ $owner == "$image_uid:$image_uid" ]] ||
      problem SN-H003 "data/$service is owned by $owner, the containers run as $image_uid:$image_uid" \
        "$home/data/$service" "./scripts/deploy.sh fix-perms (or: sudo chown -R $image_uid:$image_uid data/$service)"
  done
  local free_mb
  free_mb=$(df -Pm "$home" | awk 'NR == 2 {print $4}')
  ((free_mb > 1024)) || problem SN-V106 "only $free_mb MB are free" "$home" "free at least 1 GB of this file system"
}

data_services() { grep -oE '\.\./data/[a-z0-9-]+' "$compose_file" | sed 's#.*/##' | sort -u; }

prepare_data() { # prepare_data new|all: directories that are missing are made, for the user of the containers
  local words=() service
  for service in $(data_services); do
    [[ $1 == new && -e $home/data/$service ]] || words+=("$service")
  done
  ((${#words[@]})) || return 0
  mkdir -p "$home/data"
  on_data 'for one; do mkdir -p -m 700 "$one" && chown -R '"$image_uid:$image_uid"' "$one"; done' "${words[@]}"
}

on_data() { # on_data SCRIPT WORDS…: run it in data/, as one who may read and write all of that and nothing else
  at_work --network none --user 0:0 --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --volume "$home/data:/data" \
    --workdir /data --entrypoint sh "$image" -c "$1" sh "${@:2}"
}

at_work() { # at_work OPTION… IMAGE WORDS…: a container that changes files; who comes later finds it by its label
  docker run --rm --log-driver none --read-only --cap-drop ALL --security-opt no-new-privileges --label "$work_label" "$@"
}

end_former_work() { # of a deploy.sh that was killed: its containers outlive it, and would go on beside this one
  local left
  command -v docker >/dev/null || return 0
  left=$(docker ps --quiet --filter "label=$work_label" 2>/dev/null || true)
  [[ -n $left ]] || return 0
  say "an interrupted deploy.sh left something that still works here: ending it"
  # shellcheck disable=SC2086 # ids are words
  docker kill $left >/dev/null 2>&1 || true
  # shellcheck disable=SC2086
  docker wait $left >/dev/null 2>&1 || true
}

# --- verbs

check() {
  check_engine
  check_image
  check_env
  check_configuration
  load_environment
  check_rootlayer
  check_ports
  check_network
  check_data
  refuse_if_problems
  say "check: engine, image, .env, configuration, keys, ports, network and data are in order"
}

containers() { compose ps --all --format '{{.Service}}' | sort; }

ready() { # ready SERVICE: ask as its health check does, without waiting for the next one
  local container probe
  container=$(compose ps --quiet "$1" 2>/dev/null)
  [[ -n $container ]] || return 1
  probe=$(docker inspect --format '{{range $i, $w := .Config.Healthcheck.Test}}{{if $i}}{{$w}} {{end}}{{end}}' "$container")
  if [[ -z $probe ]]; then [[ $(docker inspect --format '{{.State.Running}}' "$container") == true ]]; return; fi
  # shellcheck disable=SC2086 # the probe is words without spaces
  docker exec "$container" $probe >/dev/null 2>&1
}

wait_ready() { # wait_ready SERVICE…: until each is, or say which is not and why
  local begun=$SECONDS service left=("$@") still
  while ((${#left[@]})); do
    still=()
    for service in "${left[@]}"; do
      if ready "$service"; then say "  $service ready after $((SECONDS - begun)) s"; else still+=("$service"); fi
    done
    left=("${still[@]}")
    ((${#left[@]})) || return 0
    if ((SECONDS - begun > ready_seconds)); then
      for service in "${left[@]}"; do
        say "  $service is not ready; its last lines:"
        compose logs --no-log-prefix --tail 5 "$service" >&2 || true
      done
      problem SN-H031 "not ready after $ready_seconds s: ${left[*]}" "$home" "./scripts/deploy.sh logs ${left[0]}"
      return 1
    fi
    sleep 0.5
  done
}

prove() { # one intent through the network; of several hosts only that with a key for it can send one
  [[ -n ${TEST_PRIVATE_KEY:-} ]] || return 0
  tool --network "${NETWORK_NAME:-subnet-network}" -- compose prove --home /deployment
}

up() {
  local begun=$SECONDS waiting=none services
  check
  if on_several_hosts && [[ -z $dry_run && -n $(containers) ]]; then refresh || say "no newer set is known here"; fi
  if [[ -n $dry_run ]]; then
    say "would make data directories, start $(compose config --services | tr '\n' ' ')and prove the network"
    return
  fi
  prepare_data new
  if [[ -f $rotating ]]; then read -r waiting _ <"$rotating"; fi
  mapfile -t services < <(compose config --services | grep -vx "$waiting")
  ((${#services[@]})) || refuse_unfinished # nothing else runs here
  quietly compose up --detach --remove-orphans "${services[@]}"
  if joining; then announce; fi
  # shellcheck disable=SC2046
  wait_ready $(containers | grep -vx "$waiting")
  [[ $waiting == none ]] || say "$waiting is left alone until it has its new key: ./scripts/deploy.sh rotate-key $waiting"
  prove
  say "NETWORK READY after $((SECONDS - begun)) s"
  remind_identity
}

down() {
  if [[ -n $dry_run ]]; then say "would stop and remove: $(containers | tr '\n' ' ')"; return; fi
  compose --profile '*' down
  say "down; data, keys and configuration stay in $home"
}

spare() { # spare VALIDATOR [--prefer OTHER]…: it hands leadership over; ends here where it cannot be spared
  tool --network "$(reach)" -- compose step-down "$1" --home /deployment "${@:2}" | sed 's/^/  /' >&2
}

restart() {
  check_configuration
  local services=("$@") service from
  # The order is that of an upgrade; where nobody answers, there is nothing to be careful of.
  ((${#services[@]})) ||
    mapfile -t services < <({ service_order 2>/dev/null || containers; } | grep -xF "$(containers)" || true)
  for service in "${services[@]}"; do
    if [[ -n $dry_run ]]; then say "would recreate $service and wait until it is ready"; continue; fi
    if [[ $service == validator-* ]] && ready "$service"; then spare "$service"; fi
    from=$(microseconds)
    quietly compose up --detach --no-deps --force-recreate "$service"
    wait_ready "$service"
    say "  $service away for $(seconds_since "$from") s"
  done
}

down_times() { # service, begin and end of each validator's last time without a process, in milliseconds
  local service container running began ended
  for service in $(containers | grep '^validator-'); do
    container=$(compose ps --all --quiet "$service")
    read -r running began ended < <(docker inspect --format '{{.State.Running}} {{.State.StartedAt}} {{.State.FinishedAt}}' "$container")
    [[ $ended != 0001-* ]] || continue
    [[ $running == true ]] && began=$(date -d "$began" +%s%3N) || began=$(date +%s%3N)
    echo "$service $(date -d "$ended" +%s%3N) $began"
  done
}

warn_of_overlaps() { # a restart of one while another is away leaves no majority: say so as long as the engine knows
  local all service begin end other from to names
  all=$(containers | grep -c '^validator-')
  while read -r service begin end; do
    names=()
    while read -r other from to; do
      ((from <= begin && begin < to)) && names+=("$other")
    done <<<"$1"
    ((${#names[@]} > (all - 1) / 2 && ${#names[@]} < all && begin > $(date +%s%3N) - 86400000)) || continue
    printf '%s %s\n  where: %s\n  fix:   %s\n\n' SN-H080 \
      "warning: ${names[*]} of $all validators were down at the same time: no majority, nothing was decided" \
      "$(date -u -d "@$((begin / 1000))" +%Y-%m-%dT%H:%M:%SZ)" "restart one after the other: ./scripts/deploy.sh restart" >&2
    return
  done < <(sort -k2n <<<"$1")
}

status() {
  compose ps --all --format 'table {{.Service}}\t{{.State}}\t{{.Status}}'
  local service unready=0
  for service in $(containers); do
    ready "$service" || { say "$service is not ready"; unready=1; }
  done
  warn_of_overlaps "$(down_times)"
  tool --network "${NETWORK_NAME:-subnet-network}" -- validators --home /deployment || unready=1
  remind_identity
  return "$unready"
}

debug() {
  local file service
  file=pinai-support-$(date -u +%Y%m%dT%H%M%SZ).tar.gz
  if [[ -n $dry_run ]]; then say "would write $home/$file"; return; fi
  mkdir -m 755 "$scratch/logs"
  for service in $(containers); do
    compose logs --no-log-prefix --no-color --tail 2000 "$service" >"$scratch/logs/$service.log" || true
  done
  mount_mode=rw tool --network "$(reach)" --volume "$scratch/logs:/logs:ro" -- \
    debug --home /deployment --logs /logs --output "/deployment/$file"
  say "/deployment is $home"
}

ctl() { # ctl WORDS…: every command of subnetctl finds this directory where it looks by itself, in .network
  [[ -z $dry_run ]] || { say "would run subnetctl $*"; return; }
  mount_mode=rw tool --interactive --network "$(reach)" --volume "$home:/at/.network" --workdir /at -- "$@"
}

init() {
  check_engine
  check_image
  [[ -n $dry_run ]] && { say "would make .env, docker/docker-compose.yml and config/network.yaml"; return; }
  mount_mode=rw tool --network none -- compose init --directory /deployment "$@"
  say "back up $home/.env now: its keys cannot be made again"
}

# shellcheck source-path=SCRIPTDIR source=lib/hosts.sh
source "$home/scripts/lib/hosts.sh"
# shellcheck source-path=SCRIPTDIR source=lib/keys.sh
source "$home/scripts/lib/keys.sh"
# shellcheck source-path=SCRIPTDIR source=lib/measure.sh
source "$home/scripts/lib/measure.sh"
# shellcheck source-path=SCRIPTDIR source=lib/upgrade.sh
source "$home/scripts/lib/upgrade.sh"
# shellcheck source-path=SCRIPTDIR source=lib/rollback.sh
source "$home/scripts/lib/rollback.sh"
# shellcheck source-path=SCRIPTDIR source=lib/convert.sh
source "$home/scripts/lib/convert.sh"
# shellcheck source-path=SCRIPTDIR source=lib/data.sh
source "$home/scripts/lib/data.sh"

# --- command line

verb=
words=()
while (($#)); do
  if [[ -z $verb && $1 == ctl ]]; then # what follows is subnetctl's, options too
    verb=ctl words=("${@:2}")
    break
  fi
  case $1 in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry_run=1 ;;
    --non-interactive) non_interactive=1 ;;
    --*) [[ $verb == @(init|invite|upgrade|backup|restore|reset) ]] || { usage >&2; exit 2; }; words+=("$1") ;;
    *) if [[ -z $verb ]]; then verb=$1; else words+=("$1"); fi ;;
  esac
  shift
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
case ${verb:-up} in
  init | up | down | restart | fix-perms | upgrade | backup | restore | reset | join | approve | move | refresh | rotate-key | remove | rejoin)
    exec 9>"$home/.deploy.lock"
    flock --nonblock 9 || { problem SN-H062 "another deploy.sh works here" "$home/.deploy.lock" "wait until it has ended"; exit 75; }
    locked=1
    end_former_work
    ;;
esac
case ${verb:-up} in
  up) refuse_unfinished_upgrade; up ;;
  check)
    check
    found=0
    mount_mode=rw with_network check || found=$?
    if on_several_hosts && [[ -n $(containers) ]]; then peers || found=$((found ? found : 1)); fi
    exit "$found"
    ;;
  init) init "${words[@]}" ;;
  join) refuse_unfinished_upgrade; join "${words[@]}" ;;
  fix-perms)
    check_engine
    check_image
    if [[ -n $dry_run ]]; then say "would give data/ to $image_uid:$image_uid"; else prepare_data all; fi
    ;;
  upgrade) upgrade "${words[@]}" ;;
  down | restart | status | logs | debug | backup | restore | reset | invite | approve | move | refresh | peers | rotate-key | remove | rejoin | ctl)
    check_engine
    check_image
    check_env
    load_environment
    case $verb in approve | move | refresh | remove) refuse_unfinished_upgrade ;; esac # each may start something
    case $verb in
      restart) refuse_unfinished; restart "${words[@]}" ;;
      logs) compose logs --follow --tail 100 "${words[@]}" ;;
      rotate-key) rotate_key "${words[@]}" ;;
      *) "$verb" "${words[@]}" ;;
    esac
    ;;
  *) usage >&2; exit 2 ;;
esac
[[ -n $verb || -n $dry_run ]] || status
