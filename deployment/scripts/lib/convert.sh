# shellcheck shell=bash disable=SC2154,SC2034 # deploy.sh and the other parts set what is read here, and read what is set
# Data from one format to the next, and back; read by deploy.sh, goes with lib/upgrade.sh and lib/rollback.sh.
#
# While everything is stopped, data/before-upgrade gets a copy of every service's data, then the new version converts it.
# Going back puts the copies in place again. What was decided in between is set aside, and epochs that may have been
# signed are never used again.

copies=before-upgrade

converts() { [[ $(noted old-format || true) != "$(noted new-format || true)" ]]; }
conversion_began() { [[ -n $(noted converting || true) ]]; }
was_started() { [[ -n $(noted started || true) ]]; }
has_copies() { [[ -d $home/data/$copies ]]; }
# shellcheck disable=SC2016 # expanded by the shell in the container, here and below
delete_copies() { on_data 'rm -rf "$1" "$1.partial"' "$copies"; }

megabytes() { # megabytes DIRECTORY… of data/, those that there are
  # shellcheck disable=SC2016
  on_data 'for one; do [ ! -e "$one" ] || du -sm "$one"; done' "$@" | awk '{sum += $1} END {print sum + 0}'
}
free_megabytes() { df -Pm "$home/data" | awk 'NR == 2 {print $4}'; }

require_room() { # for the copies, and for what a conversion may write beside what it reads
  local data free apart
  # shellcheck disable=SC2046 # names of services are words without spaces
  data=$(megabytes $(data_services))
  free=$(($(free_megabytes) + $(megabytes "$copies" "$copies.partial"))) # former copies give way
  say "  the data, $data MB, is copied first, to data/$copies; $free MB are free"
  ((free >= 2 * data + 256)) ||
    problem SN-V106 "only $free MB are free; copies and conversion of $data MB take up to $((2 * data + 256)) MB" \
      "$home/data" "free the space, or enlarge that file system"
  # shellcheck disable=SC2016,SC2046
  apart=$(on_data 'here=$(stat -c %d .)
    for one; do
      if [ -L "$one" ] || { [ -e "$one" ] && [ "$(stat -c %d "$one")" != "$here" ]; }; then echo "$one"; fi
    done' $(data_services) | xargs)
  [[ -z $apart ]] ||
    problem SN-H083 "$apart in data/ is a link, or on a file system of its own: its copy could not take its place" \
      "$home/data" "put what it leads to into data/ itself, or mount one file system at data/"
  refuse_if_problems
}

upgrade_prepare_data() { # repeated until converting begins: whoever started something in between has changed the data
  upgrade_stop
  upgrade_examine
  upgrade_copy
}

upgrade_examine() { # before anything is copied: a copy of what is damaged leads nowhere back
  migrate --dry-run 2>"$scratch/examined" && return
  cat "$scratch/examined" >&2
  not_converted "$(noted new-version) cannot convert the data; nothing of it was changed"
}

upgrade_copy() { # the copies appear whole; those of an upgrade before are of no use any more
  say "  copying the data"
  # shellcheck disable=SC2016,SC2046
  on_data '
    set -e
    copies=$1
    shift
    rm -rf "$copies" "$copies.partial"
    mkdir -m 700 "$copies.partial"
    for one; do
      if [ -e "$one" ]; then cp -a "$one" "$copies.partial/"; else : >"$copies.partial/none.$one"; fi
    done
    busybox sync
    mv "$copies.partial" "$copies"' "$copies" $(data_services) && return
  delete_copies # half of one is of no use, and may be what has filled the disk
  not_converted "the data could not be copied; nothing of it was changed"
}

upgrade_convert() {
  stop_all # however often it is repeated: somebody may have started something
  note converting begun
  migrate || not_converted "$(noted new-version) did not convert the data; all of it as it was is in data/$copies"
}

migrate() { # migrate [--dry-run]: the new version's, on what is stopped
  local directories
  # shellcheck disable=SC2016,SC2046
  mapfile -t directories < <(on_data 'for one; do [ ! -e "$one" ] || echo "/data/$one"; done' $(data_services))
  at_work --network none --tmpfs /tmp --user "$image_uid:$image_uid" --volume "$home/data:/data" \
    --entrypoint /app/bin/subnetctl "$new_image" migrate "${directories[@]}" "$@" 2>&1 |
    sed "s#/data/#$home/data/#g; s#^#  #" >&2
}

not_converted() { # not_converted MESSAGE; said before it is noted, for the disk may be full
  problem SN-H083 "$1; everything is stopped" "$home/data" \
    "correct the cause, then ./scripts/deploy.sh upgrade --resume; or back: ./scripts/deploy.sh upgrade --rollback"
  note state failed
  exit 1
}

# --- back

validators_here() { data_services | grep '^validator-' || true; }

has_others() { # whether validators here get the ledger from validators of other hosts, or have only the copies
  local way validator told
  way=$(noted way || true)
  if [[ -z $way ]]; then
    way=copies
    validator=$(validators_here | head -1)
    if on_several_hosts && [[ -n $validator ]]; then
      told=$(tool --network none -- validator rejoin-empty "$validator" --dry-run --json --home /deployment) || exit 1
      [[ $told == *'"others": 0'* ]] || way=others
    fi
    [[ -n $dry_run ]] || note way "$way"
  fi
  [[ $way == others ]]
}

signed_since() { # whether somebody started a validator by hand after the copies were made, and it has signed
  local found
  # shellcheck disable=SC2016
  found=$(on_data '
    for copy in "$1"/validator-*; do
      name=${copy##*/}
      record=$name/$name/signing-record.log
      [ ! -e "$record" ] || busybox cmp -s "$record" "$copy/$name/signing-record.log" || echo "$name"
    done' "$copies") || exit 1 # not knowing is no answer
  [[ -n $found ]]
}

refuse_back() { # refuse_back CERTAIN: where the data was converted, and going back is not possible or costs something
  if ! conversion_began || [[ $(noted state) == rolling-back ]]; then return 0; fi
  has_copies || {
    problem SN-H085 "the data is in format $(noted new-format), and the copies of it in format $(noted old-format) are gone" \
      "$home/data/$copies" "stay with $(noted new-version)"
    refuse_if_problems
  }
  if ! was_started; then
    signed_since || return 0
    [[ -n $dry_run ]] || note started "by hand"
  fi
  [[ -n $1 ]] || {
    problem SN-H084 "validators have run since $(noted stopped-at), when the copies of the data were made; what came after that would be lost$(
      ! has_others || echo ', but for the ledger, which the other hosts have'
    )" "$home/data" \
      "stay with $(noted new-version), or go back nevertheless: ./scripts/deploy.sh upgrade --rollback --i-know"
    refuse_if_problems
  }
  has_others || require_room_back
}

require_others() { # validators begin without a log then, and fetch it from a majority of the others
  local validator
  if ! conversion_began || ! was_started || ! has_others; then return 0; fi
  for validator in $(validators_here); do
    with_network compose step-down "$validator" | sed 's/^/  /' >&2 || {
      problem SN-H073 "$validator would begin without a log, and too few others are there to give it theirs" "$home" \
        "bring them back first; where all hosts go back: upgrade --rollback --i-know --stopped on each of them, then on one ./scripts/deploy.sh restore BACKUP"
      exit 1
    }
  done
}

require_room_back() { # the copies of validators stay until the ledger has been recovered from them
  local needed free
  # shellcheck disable=SC2046
  needed=$((2 * $(megabytes $(validators_here | sed "s#^#$copies/#")) + 64))
  free=$(free_megabytes)
  ((free >= needed)) || {
    problem SN-V106 "only $free MB are free; going back takes $needed MB" "$home/data" "free the space"
    refuse_if_problems
  }
}

upgrade_data_back() { # can be repeated from its beginning
  local aside keep=''
  if ! conversion_began || was_noted step data-back; then return 0; fi
  stop_all
  aside=$(noted aside) || { aside=before-rollback-$(date -u +%Y%m%dT%H%M%SZ); note aside "$aside"; }
  if was_started && ! has_others; then
    keep=keep
    require_room_back
  fi
  # shellcheck disable=SC2016,SC2046
  on_data '
    set -e
    copies=$1 aside=$2 keep=$3
    shift 3
    mkdir -p -m 700 "$aside"
    for one; do
      if [ -e "$copies/$one" ] || [ -e "$copies/none.$one" ]; then
        if [ -e "$one" ] && [ ! -e "$aside/$one" ]; then mv "$one" "$aside/$one"; fi
      fi
      [ -e "$copies/$one" ] || continue # nothing was there, or it is in its place already
      rm -rf "$one"
      case $keep$one in
        keepvalidator-*) cp -a "$copies/$one" "$one" ;;
        *) mv "$copies/$one" "$one" ;;
      esac
    done
    busybox sync' "$copies" "$aside" "$keep" $(data_services)
  if was_started; then
    keep_records "$aside"
    note step records-back
    epochs_above
  else
    # shellcheck disable=SC2016
    on_data 'rm -rf "$1"' "$aside" # nobody has written into it but the conversion
  fi
  note step data-back
}

keep_records() { # keep_records ASIDE: the new version may have signed; its records of that are newer than the copies
  # shellcheck disable=SC2016
  on_data '
    set -e
    for one in "$1"/validator-*; do
      name=${one##*/}
      record=$one/$name/signing-record.log
      [ -e "$record" ] || continue
      cp -a "$record" "$name/$name/signing-record.next"
      busybox cmp "$record" "$name/$name/signing-record.next"
      busybox sync
      mv "$name/$name/signing-record.next" "$name/$name/signing-record.log"
    done' "$1"
}

epochs_above() { # no number that may have been signed is used again
  local validator
  [[ -n $(validators_here) ]] || return 0
  if has_others; then
    for validator in $(validators_here); do rejoin_empty "$validator"; done
    return
  fi
  own_again
  cp -p "$upgrade_dir/old/network.yaml" "$home/config/network.yaml.next"
  mv "$home/config/network.yaml.next" "$home/config/network.yaml"
  noted restores >/dev/null || note restores "$(former_lives)"
  tool_on_data -- recover --home /deployment --containers --apply | sed "s#/deployment#$home#g; s#^#  #; /every further host/d; /former data is in/s/; former.*//" >&2
  own_again
  # What it moved aside were copies of copies.
  for validator in $(former_lives); do
    # shellcheck disable=SC2016
    [[ " $(noted restores) " == *" $validator "* ]] || on_data 'rm -rf "$1"' "$validator"
  done
}

former_lives() { (cd "$home/data" && find . -maxdepth 1 -name 'before-restore-*' -printf '%f\n') | xargs; }

say_back() {
  local version
  version=$(noted old-version)
  if was_noted leave stopped; then
    say "BACK at $version, and everything is stopped; on the first host ./scripts/deploy.sh restore BACKUP, on the others the line that it prints"
  elif ! conversion_began || ! was_started; then
    say "BACK at $version; data, keys and configuration are kept"
  elif has_others; then
    say "BACK at $version with the data of $(noted stopped-at), but for the ledger, which comes from the other hosts; what was here is in data/$(noted aside)"
  else
    say "BACK at $version with the data of $(noted stopped-at); what came after it is in data/$(noted aside) only"
  fi
}

rollback_can_be_closed() { # by a restore, which puts something else in the place of what the rollback has put back
  [[ $(noted state || true) == rolling-back ]] && { was_noted step records-back || was_noted step data-back; }
}

close_rollback() {
  old_image=$(noted old-image)
  image=$old_image
  upgrade_files_back
  note state rolled-back
  load_environment
  say "the rollback to $(noted old-version) ends here"
}

close_way_back() { # after something that the copies of before an upgrade know nothing of
  has_copies || return 0
  delete_copies
  say "the copies of the data of before the upgrade are deleted: they no longer fit"
}

upgrade_finish() {
  case $(noted state || true) in
    'done' | rolled-back) ;;
    *)
      problem SN-H070 "there is no upgrade that has ended" "$upgrade_dir/journal" "see ./scripts/deploy.sh status"
      refuse_if_problems
      ;;
  esac
  if ! has_copies; then say "there are no copies to delete"; return; fi
  [[ -z $dry_run ]] || { say "would delete data/$copies"; return; }
  delete_copies
  if [[ $(noted state) == 'done' ]]; then
    say "deleted data/$copies; there is no way back to $(noted old-version) any more"
  else
    say "deleted data/$copies, which nothing needs"
  fi
}
