# shellcheck shell=bash disable=SC2154,SC2034 # deploy.sh and the other parts set what is read here, and read what is set
# Backups, restoring them, and beginning again without data; read by deploy.sh, whose functions it uses.

require_backup() { # require_backup FILE
  [[ -n $1 ]] || { usage >&2; exit 2; }
  [[ -f $1 ]] || problem SN-C008 "there is no file $1" "$1" "./scripts/deploy.sh backup list shows those in $home/backups"
  refuse_if_problems
}

backup() { # backup [save|list|verify FILE|drill FILE|identity --to DIR] [--key-file FILE]
  local what=${1:-save} file='' to='' key=() options=()
  (($#)) && shift
  while (($#)); do
    case $1 in
      --to) to=${2:?--to needs a directory}; shift ;;
      --key-file)
        options=(--volume "$(realpath "${2:?--key-file needs a file}"):/key:ro")
        key=(--key-file /key)
        shift
        ;;
      --*) usage >&2; exit 2 ;;
      *) file=$1 ;;
    esac
    shift
  done
  case $what in
    save)
      [[ -z $dry_run ]] || { say "would take a backup into $home/backups"; return; }
      mount_mode=rw tool --network "$(reach)" "${options[@]}" -- backup save --home /deployment "${key[@]}" |
        sed "s#/deployment#$home#g"
      ;;
    list) tool --network none "${options[@]}" -- backup list --home /deployment "${key[@]}" ;;
    verify | drill)
      require_backup "$file"
      options+=(--volume "$(realpath "$file"):/file:ro")
      tool --network none "${options[@]}" -- backup "$what" /file --home /deployment "${key[@]}"
      ;;
    identity) [[ -n $to ]] || { usage >&2; exit 2; }; backup_identity "$to" ;;
    *) usage >&2; exit 2 ;;
  esac
}

# --- what cannot be made again: keys

identity_digest() { grep -E '^(export +)?[A-Z0-9_]*KEY[A-Z0-9_]*[ =]' "$home/.env" | sha256sum | cut -d' ' -f1; }

backup_identity() { # backup_identity DIRECTORY
  local file words=(.env config docker/docker-compose.yml) extra
  [[ -d $1 ]] || { problem SN-C008 "there is no directory $1" "$1" "mount the medium, or make the directory"; refuse_if_problems; }
  for extra in secrets certs; do [[ ! -e $home/$extra ]] || words+=("$extra"); done
  file=$(realpath "$1")/pinai-identity-${SUBNET_ID: -8}-$(date -u +%Y%m%dT%H%M%SZ).tar.gz
  [[ -z $dry_run ]] || { say "would write ${words[*]} to $file"; return; }
  (umask 077 && tar -C "$home" -czf "$file" "${words[@]}" && sync "$file")
  tar -xzOf "$file" .env | cmp -s - "$home/.env" || { say "$file cannot be read back"; exit 1; }
  identity_digest >"$home/.identity-backup"
  say "$file has the keys, the configuration and the Compose file: keep it where nobody else reads it"
}

remind_identity() { # once, until the present keys are in a backup
  [[ -z ${reminded:-} ]] || return 0
  reminded=1
  [[ -f $home/.identity-backup && $(<"$home/.identity-backup") == "$(identity_digest)" ]] ||
    say "the keys in .env are in no backup yet: ./scripts/deploy.sh backup identity --to DIRECTORY"
}

# --- a validator without its data

rejoin() { # rejoin VALIDATOR: whose data is lost or unusable; the others have to be a majority without it
  (($# == 1)) || { usage >&2; exit 2; }
  refuse_unfinished
  [[ -z $dry_run ]] || { say "would have $1 begin without a log and fetch everything from the others"; return; }
  spare "$1"
  quietly compose stop "$1"
  rejoin_empty "$1"
  start_again "$1"
  say "$1 has everything again and votes"
}

rejoin_empty() { # rejoin_empty VALIDATOR, which is down
  tool_on_data -- validator rejoin-empty "$1" --home /deployment | sed "s#/deployment#$home#g" >&2
  prepare_data all
}

# --- back to a backup

restore() { # restore FILE [--i-know] [--restore-id ID] [--epoch-floor N] [--key-file FILE]
  local file='' sure=() words=() options=() validators
  while (($#)); do
    case $1 in
      --i-know) sure=(--i-know) ;;
      --restore-id | --epoch-floor) words+=("$1" "${2:?$1 needs a value}"); shift ;;
      --key-file)
        options+=(--volume "$(realpath "${2:?--key-file needs a file}"):/key:ro")
        words+=(--key-file /key)
        shift
        ;;
      --*) usage >&2; exit 2 ;;
      *) file=$1 ;;
    esac
    shift
  done
  require_backup "$file"
  if rollback_can_be_closed; then image=$(noted old-image); else refuse_unfinished; fi
  options+=(--volume "$(realpath "$file"):/file:ro")
  words=(backup restore /file --home /deployment --containers "${sure[@]}" "${words[@]}")
  # Refused here, while everything runs: a living quorum, another subnet, a damaged file, missing signatures.
  tool --network "$(reach)" "${options[@]}" -- "${words[@]}" --dry-run
  [[ -z $dry_run ]] || return 0
  if rollback_can_be_closed; then close_rollback; fi
  stop_matcher
  mapfile -t validators < <(compose config --services | grep '^validator-')
  quietly compose stop "${validators[@]}"
  tool_on_data "${options[@]}" -- "${words[@]}" | sed "s#/deployment#$home#g; s#^on every further host: subnetctl backup#on every further host: deploy.sh#"
  own_again
  close_way_back
  up
}

tool_on_data() { # tool_on_data [OPTION…] -- WORDS…: the data belongs to the containers' user, .env to the operator
  mount_mode=rw tool --user 0:0 --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --network "$(reach)" "$@"
}

own_again() { # what the restore made: data to the containers' user, configuration to the owner of this directory
  prepare_data all
  at_work --network none --user 0:0 --cap-add CHOWN --cap-add DAC_OVERRIDE --volume "$home:/deployment" --workdir /deployment \
    --entrypoint sh "$image" -c 'chown -R "$1" config; [ ! -e backups ] || chown -R "$1" backups
      for one in data/before-restore-*; do [ ! -e "$one" ] || chown -R "$2" "$one"; done' \
    sh "$(stat -c %u:%g "$home")" "$image_uid:$image_uid"
}

# --- begin again

reset() { # reset [--yes] [--down] [--i-know]: every service's data, never keys and configuration
  local yes='' stop='' certain='' answer up_now
  while (($#)); do
    case $1 in
      --yes) yes=1 ;;
      --down) stop=1 ;;
      --i-know) certain=1 ;;
      *) usage >&2; exit 2 ;;
    esac
    shift
  done
  refuse_unfinished
  up_now=$(compose ps --services --status running 2>/dev/null | xargs)
  if [[ -n $up_now && -z $stop ]]; then
    problem SN-H075 "containers still run: $up_now" "$home" "./scripts/deploy.sh down first, or reset --down"
  fi
  if [[ ,${COMPOSE_PROFILES:-}, != *,dev,* && -z $certain ]]; then
    problem SN-H075 "RootLayer is a remote one and knows what these keys have signed; the same epochs would be signed again" \
      "$home/.env" "make a network with new keys elsewhere (./scripts/deploy.sh init), or reset --i-know where that RootLayer was reset too"
  fi
  refuse_if_problems
  [[ -z $dry_run ]] || { say "would delete data/: $(data_services | xargs); .env, config/ and backups/ stay"; return; }
  if [[ -z $yes ]]; then
    if [[ -n $non_interactive || ! -t 0 ]]; then
      problem SN-H075 "reset deletes all data and nobody can be asked" "$home/data" "./scripts/deploy.sh reset --yes"
      refuse_if_problems
    fi
    read -r -p "delete all data in $home/data? keys and configuration stay. Type 'reset': " answer
    [[ $answer == reset ]] || { say "nothing was deleted"; exit 1; }
  fi
  if [[ $up_now == *validator-* ]]; then
    backup save || { say "no backup could be taken, so nothing is deleted; without one: ./scripts/deploy.sh down, then reset"; exit 1; }
  else
    say "no validator runs: no backup is taken; those in backups/ stay"
  fi
  [[ -z $up_now ]] || down
  # shellcheck disable=SC2046 # names of services are words without spaces
  on_data 'for one; do rm -rf "./$one"; done' $(data_services)
  close_way_back
  say "deleted: $(data_services | xargs); .env, config/ and backups/ stay; ./scripts/deploy.sh begins with no history"
}
