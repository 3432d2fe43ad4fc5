# shellcheck shell=bash disable=SC2154 # deploy.sh and the other parts set what is read here
# Data from one format to the next, and back; read by deploy.sh, goes with lib/upgrade.sh and lib/rollback.sh.
#
# While everything is stopped, data/before-upgrade gets a copy of every service's data, then the new version converts it.
# Going back puts the copies in place again. What was decided in between is set aside, and epochs that may have been
# signed are never used again.

copies=before-upgrade

converts() { [[ $(noted old-format || true) != "$(noted new-format || true)" ]]; }
has_copies() { [[ -d $home/data/$copies ]]; }
delete_copies() { on_data 'rm -rf "$1"' "$copies"; }

data_megabytes() {
  # shellcheck disable=SC2046 # names of services are words without spaces
  on_data 'for one; do [ ! -e "$one" ] || du -sm "$one"; done' $(data_services) | awk '{sum += $1} END {print sum + 0}'
}

require_room() { # for the copies, and for what a conversion may write beside what it reads
  local data free
  data=$(data_megabytes)
  free=$(df -Pm "$home/data" | awk 'NR == 2 {print $4}')
  say "  the data, $data MB, is copied first, to data/$copies; $free MB are free"
  ((free >= 2 * data + 256)) || {
    problem SN-V106 "only $free MB are free; copies and conversion of $data MB take up to $((2 * data + 256)) MB" \
      "$home/data" "free the space, or enlarge that file system"
    refuse_if_problems
  }
}

upgrade_copy() { # every copy appears whole; those of an upgrade before are of no use any more
  say "  copying the data"
  # shellcheck disable=SC2046
  on_data '
    set -e
    copies=$1
    shift
    rm -rf "$copies"
    rm -rf "$copies.partial"
    mkdir -m 700 "$copies.partial"
    for one; do [ ! -e "$one" ] || cp -a "$one" "$copies.partial/"; done
    busybox sync
    mv "$copies.partial" "$copies"' "$copies" $(data_services)
}

upgrade_examine() { # before anything is copied: a copy of what is damaged leads nowhere back
  migrate --dry-run 2>"$scratch/examined" && return
  cat "$scratch/examined" >&2
  not_converted "$(noted new-version) cannot convert the data; nothing of it was changed"
}

upgrade_convert() {
  note converting begun
  migrate || not_converted "$(noted new-version) did not convert the data; all of it as it was is in data/$copies"
}

migrate() { # migrate [--dry-run]: the new version's, on what is stopped
  local directories
  # shellcheck disable=SC2046
  mapfile -t directories < <(on_data 'for one; do [ ! -e "$one" ] || echo "/data/$one"; done' $(data_services))
  docker run --rm --log-driver none --network none --read-only --tmpfs /tmp --user "$image_uid:$image_uid" \
    --cap-drop ALL --security-opt no-new-privileges --volume "$home/data:/data" --entrypoint /app/bin/subnetctl \
    "$new_image" migrate "${directories[@]}" "$@" 2>&1 | sed "s#/data/#$home/data/#g; s#^#  #" >&2
}

not_converted() { # not_converted MESSAGE
  note state failed
  problem SN-H083 "$1; everything is stopped" "$home/data" \
    "correct the cause, then ./scripts/deploy.sh upgrade --resume; or back: ./scripts/deploy.sh upgrade --rollback"
  exit 1
}

# --- back

refuse_back() { # refuse_back [--i-know]: where the data was converted and going back is not possible, or costs something
  if [[ -z $(noted converting || true) ]] || was_noted step data-back; then return 0; fi
  has_copies || {
    problem SN-H085 "the data is in format $(noted new-format), and the copies of it in format $(noted old-format) are gone" \
      "$home/data/$copies" "stay with $(noted new-version)"
    refuse_if_problems
  }
  [[ $(noted state) == 'done' && -z $1 ]] || return 0
  problem SN-H084 "$(noted new-version) has worked since $(noted stopped-at); what came after that would be lost" \
    "$home/data" "stay with $(noted new-version), or go back nevertheless: ./scripts/deploy.sh upgrade --rollback --i-know"
  refuse_if_problems
}

upgrade_data_back() { # repeated from its beginning when it was interrupted: the copies stay until it has ended
  local aside
  if [[ -z $(noted converting || true) ]] || was_noted step data-back; then return 0; fi
  compose stop >"$scratch/stop" 2>&1 || true
  compose_old stop >"$scratch/stop" 2>&1
  aside=$(noted aside) || { aside=before-rollback-$(date -u +%Y%m%dT%H%M%SZ); note aside "$aside"; }
  # shellcheck disable=SC2046
  on_data '
    set -e
    copies=$1 aside=$2
    shift 2
    mkdir -p -m 700 "$aside"
    for one; do
      [ ! -e "$one" ] || [ -e "$aside/$one" ] || mv "$one" "$aside/$one"
      rm -rf "$one"
      [ ! -e "$copies/$one" ] || cp -a "$copies/$one" "$one"
    done
    busybox sync' "$copies" "$aside" $(data_services)
  if [[ -n $(noted started || true) ]]; then
    epochs_above "$aside"
    say "  what came after $(noted stopped-at) is in data/$aside only"
  else
    on_data 'rm -rf "$1"' "$aside" # nobody has written into it but the conversion
  fi
  note step data-back
  delete_copies
}

epochs_above() { # epochs_above ASIDE: the new version may have signed; the records of that are newer than the copies
  local validator record='for one in "$1"/validator-*; do
      name=${one##*/}
      [ ! -e "$one/$name/signing-record.log" ] || cp -a "$one/$name/signing-record.log" "$name/$name/"
    done'
  # shellcheck disable=SC2016 # expanded by the shell in the container
  on_data "$record" "$1"
  if on_several_hosts; then # the others went on, and have what this one lacks
    for validator in $(data_services | grep '^validator-'); do rejoin_empty "$validator"; done
    return
  fi
  cp -p "$upgrade_dir/old/network.yaml" "$home/config/network.yaml"
  tool_on_data -- recover --home /deployment --containers --apply | sed "s#/deployment#$home#g; s#^#  #; /every further host/d" >&2
  own_again
}

close_way_back() { # after something that the copies of before an upgrade know nothing of
  has_copies || return 0
  delete_copies
  say "the copies of the data of before the upgrade are deleted: they no longer fit"
}

upgrade_finish() {
  case $(noted state || true) in
    'done') ;;
    *)
      problem SN-H070 "there is no upgrade that has ended" "$upgrade_dir/journal" "see ./scripts/deploy.sh status"
      refuse_if_problems
      ;;
  esac
  if ! has_copies; then say "there are no copies to delete"; return; fi
  [[ -z $dry_run ]] || { say "would delete data/$copies"; return; }
  delete_copies
  say "deleted data/$copies; there is no way back to $(noted old-version) any more"
}
