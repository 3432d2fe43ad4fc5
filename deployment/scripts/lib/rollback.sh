# shellcheck shell=bash disable=SC2154,SC2034 # deploy.sh and the other parts set what is read here, and read what is set
# Back from an upgrade: one service that did not get ready, or all of it; read by deploy.sh, goes with lib/upgrade.sh.

compose_old() (
  while read -r name; do [[ -z $name ]] || unset "$name"; done < <(cat "$upgrade_dir/added-variables" 2>/dev/null)
  PINAI_IMAGE=$old_image docker compose --env-file /dev/null --project-directory "$home/docker" \
    --file "$upgrade_dir/old/docker-compose.yml" "$@"
)
in_old_file() { # not through a pipe: grep ends at the first match, and what still writes into it then has failed
  local services
  services=$(compose_old config --services) || exit 1
  grep -qx "$1" <<<"$services"
}
with_old() { # with_old SERVICE: the former image, Compose file and variables; what is new is removed
  if in_old_file "$1"; then
    compose_old up --detach --no-deps --force-recreate "$1" >"$scratch/up" 2>&1 || { cat "$scratch/up" >&2; return 1; }
  else
    compose rm --stop --force "$1" >"$scratch/up" 2>&1
  fi
}

upgrade_failed() { # the first service that does not get ready ends it: that one goes back, the others stay as they are
  local log=$upgrade_dir/failed-$1.log state
  note state failed
  compose logs --no-color --no-log-prefix "$1" >"$log" 2>&1 || true
  measure_end
  say "  $1 goes back to $(noted old-version)"
  problems=0
  if with_old "$1" && wait_ready "$1"; then state="runs $(noted old-version) again and is ready"; else state="is not ready with $(noted old-version) either"; fi
  problem SN-H072 "$1 was not ready with $(noted new-version) within $ready_seconds s; it $state" "$log" \
    "correct the cause, then ./scripts/deploy.sh upgrade --resume; or all back: ./scripts/deploy.sh upgrade --rollback"
  say "services with $(noted new-version) keep running: $(awk -F'\t' '$1 == "upgraded" {printf "%s ", $2}' "$upgrade_dir/journal")"
  exit 1
}

env_back() { # what the upgrade added goes, and the image that it named; all else is the operator's, new keys above all
  local name without=()
  while read -r name; do [[ -z $name ]] || without+=(--without "$name"); done < <(cat "$upgrade_dir/added-variables" 2>/dev/null)
  if ((${#without[@]})); then # asked of the version that added them: an older one may not know how
    mount_mode=rw image=$(noted new-image) tool --network none -- compose pin "$old_image" "${without[@]}" --home /deployment >/dev/null
  else
    pin "$old_image"
  fi
}

upgrade_files_back() {
  local file
  env_back
  cp -p "$upgrade_dir/old/docker-compose.yml" "$compose_file"
  while read -r file; do rm -f "${home:?}/$file"; done < <(cat "$upgrade_dir/added-files" 2>/dev/null)
  while read -r file; do
    if [[ -e $upgrade_dir/old/$file ]]; then
      cp -p "$upgrade_dir/old/$file" "$home/$file.back" && mv "$home/$file.back" "$home/$file"
    else
      rm -f "${home:?}/$file"
    fi
  done < <(cat "$upgrade_dir/placed" 2>/dev/null)
}

upgrade_rollback() { # upgrade_rollback CERTAIN STOPPED
  local service order=() taken=() unready=()
  case $(noted state || true) in
    running | failed | rolling-back | done) ;;
    *)
      problem SN-H070 "there is no upgrade to roll back" "$upgrade_dir/journal" "see ./scripts/deploy.sh status"
      refuse_if_problems
      ;;
  esac
  if [[ -n $2 && $(noted mode) != stop ]]; then
    problem SN-H070 "this upgrade took one service after the other; going back it does the same, and stops nothing" \
      "$upgrade_dir/journal" "./scripts/deploy.sh upgrade --rollback, without --stopped"
    refuse_if_problems
  fi
  refuse_back "$1"
  [[ -z $dry_run ]] || { say "would go back: $(noted new-version) -> $(noted old-version)"; return; }
  old_image=$(noted old-image) new_image=$(noted new-image)
  [[ -n $2 || $(noted state) == rolling-back ]] || require_others
  note state rolling-back
  [[ -z $2 ]] || note leave stopped
  if ! was_noted step pin-old; then
    note state rolled-back
    say "nothing had been changed"
    return
  fi
  image=$old_image
  if [[ $(noted mode) == stop ]]; then
    upgrade_data_back
    if was_noted leave stopped; then
      quietly compose_old stop
    else
      quietly compose_old up --detach --remove-orphans
      wait_all_ready
    fi
  else
    read -ra order <<<"$(noted order || true)"
    for service in "${order[@]}"; do
      was_noted taken "$service" || continue
      if ready "$service"; then taken=("$service" "${taken[@]}"); else unready+=("$service"); fi
    done
    for service in "${unready[@]}" "${taken[@]}"; do upgrade_back_one "$service"; done
  fi
  upgrade_files_back
  load_environment
  note state rolled-back
  # Even those of an upgrade that did not get as far as converting: they are of no use any more.
  delete_copies
  say_back
}

upgrade_back_one() {
  local begun
  [[ $(docker inspect --format '{{.Image}}' "$(compose ps --all --quiet "$1" 2>/dev/null)" 2>/dev/null || true) != "$(noted old-id)" ]] ||
    return 0
  if [[ $1 == validator-* ]] && running "$1"; then
    spare "$1" || true
  fi
  begun=$(microseconds)
  with_old "$1"
  if in_old_file "$1"; then wait_ready "$1"; fi
  say "  $1 runs $(noted old-version); away for $(seconds_since "$begun") s"
}
