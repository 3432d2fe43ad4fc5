# shellcheck shell=bash disable=SC2154,SC2034 # deploy.sh and the other parts set what is read here, and read what is set
# From one version to the next, one service at a time; read by deploy.sh, whose functions it uses.
#
# Every step is noted in .upgrade/journal before the next begins, so that whoever comes after a kill goes on (--resume) or
# goes back (--rollback). .upgrade/old has the files as they were, .upgrade/new the unpacked distribution. Until the end
# .env names the former image: what is started by others in between is what ran before.

upgrade_dir=$home/.upgrade
next_dir= # the unpacked distribution, while nothing is begun
resumed=

note() { printf '%s\t%s\n' "$1" "$2" >>"$upgrade_dir/journal" && sync "$upgrade_dir/journal"; }
noted() { # noted WHAT: the last value, fails where there is none
  [[ -f $upgrade_dir/journal ]] && awk -F'\t' -v what="$1" '$1 == what {value = $2; found = 1}
    END {if (!found) exit 1; print value}' "$upgrade_dir/journal"
}
was_noted() { [[ -f $upgrade_dir/journal ]] && grep -qxF "$1"$'\t'"$2" "$upgrade_dir/journal"; }
step() { # step NAME FUNCTION: once, however often the upgrade is resumed
  was_noted step "$1" && return 0
  "$2"
  note step "$1"
}
image_label() { docker image inspect --format "{{index .Config.Labels \"$2\"}}" "$1"; }
version_of() { image_label "$1" org.opencontainers.image.version; }
format_of() { image_label "$1" pinai-subnet.data-format; }
pinned_name() { # pinned_name IMAGE VERSION ID: a name that no later image takes away
  local id=${3#sha256:}
  echo "${1%%:*}:$2-${id:0:12}"
}

refuse_unfinished() { # what would mix up two versions, or two keys, has to wait
  local validator
  if [[ -f $rotating ]]; then
    read -r validator _ <"$rotating"
    problem SN-H081 "the new key of $validator is agreed on, and its container has not taken it" "$rotating" \
      "./scripts/deploy.sh rotate-key $validator"
    refuse_if_problems
  fi
  refuse_unfinished_upgrade
}

refuse_unfinished_upgrade() {
  case $(noted state || true) in
    running | failed | rolling-back)
      problem SN-H070 "the upgrade from $(noted old-version) to $(noted new-version) is not finished" "$upgrade_dir/journal" \
        "./scripts/deploy.sh upgrade --resume, or back: ./scripts/deploy.sh upgrade --rollback"
      refuse_if_problems
      ;;
  esac
}

upgrade() { # upgrade TARBALL|IMAGE [--plan|--apply] [--stop] [--verify-with FILE] | --resume | --rollback [--i-know] [--stopped] | --finish
  local source='' action=begin signers='' mode=rolling certain='' stopped=''
  while (($#)); do
    case $1 in
      --plan) dry_run=1 ;;
      --apply) ;;
      --stop) mode=stop ;;
      --resume | --rollback | --finish) action=${1#--} ;;
      --i-know) certain=1 ;;
      --stopped) stopped=1 ;;
      --verify-with) signers=${2:?--verify-with needs a file}; shift ;;
      --*) usage >&2; exit 2 ;;
      *) source=$1 ;;
    esac
    shift
  done
  check_engine
  check_image
  check_env
  load_environment
  case $action in
    begin)
      [[ -n $source ]] || { usage >&2; exit 2; }
      refuse_unfinished
      upgrade_begin "$source" "$signers" "$mode"
      ;;
    resume)
      case $(noted state || true) in
        running | failed) ;;
        rolling-back) upgrade_rollback "$certain" "$stopped"; return ;;
        *)
          problem SN-H070 "there is no upgrade to go on with" "$upgrade_dir/journal" \
            "begin one: ./scripts/deploy.sh upgrade TARBALL"
          refuse_if_problems
          ;;
      esac
      [[ -z $dry_run ]] || { say "would go on with: $(noted old-version) -> $(noted new-version)"; return; }
      note state running
      resumed=1
      upgrade_go_on
      ;;
    rollback) upgrade_rollback "$certain" "$stopped" ;;
    finish) upgrade_finish ;;
  esac
}

# --- the plan

upgrade_begin() { # upgrade_begin SOURCE SIGNERS MODE
  local new_image new_version new_commit new_format new_oldest new_arch new_id old_id name=$image
  # What runs counts: the name may have been taken over by an image that was loaded since.
  old_id=$(compose ps --quiet | sed -n 1p | xargs -r docker inspect --format '{{.Image}}')
  if [[ -n $old_id ]]; then image=$old_id; else old_id=$(docker image inspect --format '{{.Id}}' "$image"); fi
  if [[ -f $1 ]]; then
    unpack "$1" "$2"
    new_version=$(in_manifest version) new_commit=$(in_manifest commit) new_arch=$(in_manifest architecture)
    new_format=$(in_manifest data_format) new_oldest=$(in_manifest oldest_data_format) new_id=$(in_manifest image_id) new_image=$(in_manifest image)
  elif docker image inspect "$1" >/dev/null 2>&1; then
    new_image=$1 new_version=$(version_of "$1") new_commit=$(image_label "$1" org.opencontainers.image.revision)
    new_arch=$(docker image inspect --format '{{.Architecture}}' "$1")
    new_format=$(format_of "$1") new_oldest=$(image_label "$1" pinai-subnet.oldest-data-format)
    new_id=$(docker image inspect --format '{{.Id}}' "$1")
  else
    problem SN-H063 "$1 is neither a file nor an image that is here" "$1" "name a distribution (.tar.gz) or an image"
    refuse_if_problems
  fi
  upgrade_allowed "$new_version" "$new_format" "$new_oldest" "$new_arch" "$3" "$1"
  if [[ $new_id == "$old_id" ]]; then
    say "$new_version ($new_commit) runs already; nothing to do"
    return
  fi
  upgrade_plan "$new_version" "$new_commit" "$new_format" "$3"
  [[ -z $dry_run ]] || return 0
  rm -rf "$upgrade_dir"
  mkdir -m 700 "$upgrade_dir"
  if has_copies; then delete_copies; fi # for the way back from the upgrade before, which ends here
  chown --reference="$home" "$upgrade_dir"
  [[ -z $next_dir ]] || mv "$next_dir" "$upgrade_dir/new"
  note old-image "$(pinned_name "$name" "$(version_of "$image")" "$old_id")"
  note old-id "$old_id"
  note old-version "$(version_of "$image")"
  note old-format "$(format_of "$image")"
  note new-format "$new_format"
  note new-image "$(pinned_name "$new_image" "$new_version" "$new_id")"
  note new-id "$new_id"
  note new-version "$new_version"
  note mode "$3"
  note state running
  upgrade_go_on
}

unpack() { # unpack TARBALL SIGNERS: checked by the install.sh that is here, not by the one that comes with it
  local name options=()
  chmod 711 "$scratch" # the containers that look into it run as the owner of this directory
  mkdir "$scratch/unpacked"
  tar -xzf "$1" -C "$scratch/unpacked" 2>"$scratch/tar" || {
    problem SN-H064 "$(basename "$1") cannot be unpacked: $(head -1 "$scratch/tar")" "$1" \
      "copy the distribution again and compare it with its .sha256 file"
    refuse_if_problems
  }
  name=$(ls "$scratch/unpacked")
  next_dir=$scratch/unpacked/$name
  [[ -z $2 ]] || options=(--verify-with "$2")
  "$home/install.sh" --verify "$next_dir" "${options[@]}" >&2 || exit 78
}

in_manifest() { sed -nE "s/^ *\"$1\": \"(.*)\",?$/\1/p" "$next_dir/manifest.json"; }

upgrade_allowed() { # upgrade_allowed VERSION FORMAT OLDEST-FORMAT ARCHITECTURE MODE SOURCE
  local version format arch
  version=$(version_of "$image") format=$(format_of "$image")
  arch=$(docker version --format '{{.Server.Arch}}')
  [[ $4 == "$arch" ]] ||
    problem SN-H063 "the new version is for $4, this engine runs $arch" "manifest.json" "take the distribution for $arch"
  if [[ ! $2 =~ ^[0-9]+$ ]] || (($2 < format)); then
    problem SN-H071 "$1 reads data format ${2:-unknown}, the data here is in format $format" "$home/data" \
      "take a version that reads format $format; nothing was changed"
  elif (($2 > format && ${3:-$2} > format)); then
    problem SN-H071 "$1 converts data from format ${3:-$2} on, the data here is in format $format" "$home/data" \
      "upgrade first to a version that keeps its data in format ${3:-$2}; nothing was changed"
  elif (($2 > format)) && [[ $5 != stop ]]; then
    problem SN-H071 "$1 keeps its data in format $2, and the data here, in format $format, is converted while everything is stopped" \
      "$home/data" "./scripts/deploy.sh upgrade $6 --stop; first with --plan, which only shows"
  fi
  ! older "$1" "$version" ||
    problem SN-H071 "$1 is older than $version, which runs" "$home" \
      "take $version or newer; to go back right after an upgrade: ./scripts/deploy.sh upgrade --rollback"
  refuse_if_problems
}

upgrade_plan() { # upgrade_plan VERSION COMMIT FORMAT MODE
  local order leader matching='' between='' added='' file new=() beside=()
  order=$(service_order)
  # shellcheck disable=SC2086
  leader=$(tool --network "$(reach)" -- compose order --home /deployment --leader $order)
  say "$(version_of "$image") ($(image_label "$image" org.opencontainers.image.revision)) -> $1 ($2)"
  if [[ $(format_of "$image") == "$3" ]]; then
    say "data format $3 -> $3: kept as it is"
  else
    say "data format $(format_of "$image") -> $3: converted while everything is stopped"
    require_room
  fi
  if [[ -n $next_dir ]]; then
    added=$(tool --network none --volume "$next_dir:/next:ro" -- compose merge-env --dry-run --home /deployment \
      --example /next/.env.example)
    for file in "$next_dir"/config/*.yaml; do
      file=${file##*/}
      if [[ ! -e $home/config/$file ]]; then new+=("$file"); fi
      if [[ -e $home/config/$file && $file != network.yaml ]] && ! cmp -s "$next_dir/config/$file" "$home/config/$file"; then beside+=("$file.new"); fi
    done
  fi
  say ".env: $(wc -w <<<"$added") new${added:+ ($(xargs <<<"$added"))}, yours are kept"
  say "config: ${#new[@]} new${new[*]:+ (${new[*]})}, ${#beside[@]} put beside yours${beside[*]:+ (${beside[*]})}"
  if [[ $4 == stop ]]; then
    [[ $(format_of "$image") == "$3" ]] || between=' copies, conversion,'
    say "all at once: backup, stop,$between start; unavailable until all are ready again"
  else
    say "order: $(xargs <<<"$order")"
    [[ -z $leader ]] || say "$leader leads and comes last, after it has handed leadership over"
    if grep -qx matcher <<<"$order"; then matching='; matching, while the matcher is recreated'; fi
    say "expected unavailability: agreement 0 s$matching"
  fi
}

service_order() {
  local services
  mapfile -t services < <(compose config --services)
  tool --network "$(reach)" -- compose order --home /deployment "${services[@]}"
}

# --- the steps

upgrade_go_on() {
  local begun
  begun=$(microseconds)
  old_image=$(noted old-image) new_image=$(noted new-image)
  step pin-old upgrade_pin_old
  image=$old_image
  step load upgrade_load
  if [[ $(noted mode) == stop ]]; then
    step files upgrade_files # which may find that there is no use in stopping anything
    load_environment
    step quiet upgrade_quiet
    step backup upgrade_backup
    if converts; then
      if ! conversion_began; then upgrade_prepare_data; fi
      step convert upgrade_convert
    else
      step stop upgrade_stop
    fi
    step all upgrade_start
  else
    step backup upgrade_backup
    step files upgrade_files
    load_environment
    upgrade_services
  fi
  step pin-new upgrade_pin_new
  step place upgrade_place
  load_environment
  prove
  note state 'done'
  say "UPGRADED $(noted old-version) -> $(noted new-version) in $(seconds_since "$begun") s"
}

pin() { mount_mode=rw tool --network none -- compose pin "$1" --home /deployment >/dev/null; }

upgrade_pin_old() {
  docker tag "$(noted old-id)" "$old_image"
  image=$old_image
  pin "$old_image"
  mkdir -p "$upgrade_dir/old"
  cp -p "$home/.env" "$compose_file" "$home/config/network.yaml" "$upgrade_dir/old/"
}

upgrade_load() {
  if [[ -f $upgrade_dir/new/image.tar.gz ]]; then
    gzip -dc "$upgrade_dir/new/image.tar.gz" | docker load --quiet >/dev/null
  fi
  docker tag "$(noted new-id)" "$new_image" 2>/dev/null || {
    problem SN-H064 "the engine has no image $(noted new-id), which the manifest names" "$upgrade_dir/new" \
      "./scripts/deploy.sh upgrade --rollback, then copy the distribution again"
    exit 78
  }
}

upgrade_quiet() { # no new work, so that nothing comes after the backup
  note stopped "$(microseconds)"
  stop_matcher
}

upgrade_backup() {
  mount_mode=rw tool --network "$(reach)" -- backup save --home /deployment | sed "s#/deployment#$home#g" >&2
}

upgrade_files() { # begins with the files as they were, so that it can be repeated
  local file merge words
  env_back
  cp -p "$upgrade_dir/old/docker-compose.yml" "$compose_file"
  : >"$upgrade_dir/added-files"
  : >"$upgrade_dir/added-variables"
  if [[ -d $upgrade_dir/new ]]; then
    merge=(compose merge-env --home /deployment --example /deployment/.upgrade/new/.env.example)
    image=$new_image tool --network none -- "${merge[@]}" --dry-run >"$upgrade_dir/added-variables"
    mount_mode=rw image=$new_image tool --network none -- "${merge[@]}" >/dev/null
    for file in "$upgrade_dir"/new/config/*.yaml; do
      file=${file##*/}
      if [[ ! -e $home/config/$file ]]; then
        echo "config/$file" >>"$upgrade_dir/added-files"
        cp "$upgrade_dir/new/config/$file" "$home/config/$file"
      elif [[ $file != network.yaml ]] && ! cmp -s "$upgrade_dir/new/config/$file" "$home/config/$file"; then
        cp "$upgrade_dir/new/config/$file" "$home/config/$file.new"
        say "kept config/$file; the new one is config/$file.new"
      fi
    done
  fi
  words=$(sed -nE 's/^# Made by `subnetctl compose write ([^`]*)`.*/\1/p' "$compose_file")
  if [[ -n $words ]]; then
    # shellcheck disable=SC2086 # the words of a command line that the file itself names
    mount_mode=rw image=$new_image tool --network none -- compose write $words \
      --file /deployment/docker/docker-compose.yml >/dev/null
  fi
  if ! (image=$new_image check_configuration); then
    upgrade_files_back
    note state rolled-back
    say "the configuration does not suit $(noted new-version); nothing was restarted, all files are as they were"
    exit 78
  fi
}

upgrade_services() {
  local service order
  was_noted step order || { note order "$(service_order | xargs)"; note step order; }
  read -ra order <<<"$(noted order)"
  [[ -z $resumed ]] || upgrade_start_missing "${order[@]}"
  measure_begin
  for service in "${order[@]}"; do
    if was_noted upgraded "$service"; then continue; fi
    upgrade_one "$service"
  done
  measure_end
}

running() { # running SERVICE
  [[ -n $(compose ps --quiet --status running "$1" 2>/dev/null) ]]
}

upgrade_start_missing() { # after a `down`, or a host that was started again, in the middle of an upgrade
  local service started=()
  for service; do
    running "$service" && continue
    if was_noted upgraded "$service"; then
      with_new "$service"
    elif in_old_file "$service"; then
      with_old "$service"
    else
      continue
    fi
    started+=("$service")
  done
  ((${#started[@]} == 0)) || wait_ready "${started[@]}"
}

upgrade_one() {
  local begun prefer=() other
  if [[ $1 == validator-* ]] && running "$1"; then
    for other in $(noted order); do
      if [[ $other == validator-* ]] && was_noted upgraded "$other"; then prefer+=(--prefer "$other"); fi
    done
    spare "$1" "${prefer[@]}"
  fi
  note taken "$1"
  begun=$(microseconds)
  if with_new "$1" && wait_ready "$1"; then
    note upgraded "$1"
    say "  $1 runs $(noted new-version); away for $(seconds_since "$begun") s"
  else
    upgrade_failed "$1"
  fi
}

with_new() { # with_new SERVICE…
  PINAI_IMAGE=$new_image compose up --detach --no-deps --force-recreate "$@" >"$scratch/up" 2>&1 ||
    { cat "$scratch/up" >&2; return 1; }
}

stop_matcher() { # one of several hosts may have none
  local services
  services=$(compose config --services)
  if grep -qx matcher <<<"$services"; then quietly compose stop matcher; fi
}

stop_all() { # of both Compose files: what only the former one knows has data too
  quietly compose stop
  quietly compose_old stop
}

upgrade_stop() {
  stop_all
  note stopped-at "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
}

upgrade_start() { # the last step before which nothing is lost by going back
  note started "$(noted new-version)"
  if ! PINAI_IMAGE=$new_image compose up --detach --remove-orphans >"$scratch/up" 2>&1; then
    cat "$scratch/up" >&2
  elif wait_all_ready; then
    say "  stopped and ready again after $(seconds_since "$(noted stopped)") s"
    return
  fi
  note state failed
  problem SN-H072 "not everything is ready with $(noted new-version)" "$home" \
    "correct the cause, then ./scripts/deploy.sh upgrade --resume; or back: ./scripts/deploy.sh upgrade --rollback$(! converts || echo ' --i-know')"
  exit 1
}

wait_all_ready() {
  # shellcheck disable=SC2046
  wait_ready $(containers)
}

upgrade_pin_new() {
  pin "$new_image"
  cp -p "$upgrade_dir/old/.env" "$home/.env.bak" # the one before the upgrade, not the one of a moment ago
}

upgrade_place() { # the files of the distribution that are not the operator's, replaced by renaming: this script runs
  local file
  [[ -d $upgrade_dir/new ]] || return 0
  (cd "$upgrade_dir/new" && find . -type f ! -path './config/*' ! -path './docker/*' -printf '%P\n') >"$upgrade_dir/files"
  : >"$upgrade_dir/placed.next"
  while read -r file; do
    # Only an unpacked distribution that is used in place has these.
    case $file in image.tar.gz | SHA256SUMS*) [[ -e $home/$file ]] || continue ;; esac
    mkdir -p "$home/$(dirname "$file")" "$upgrade_dir/old/$(dirname "$file")"
    if [[ -e $home/$file && ! -e $upgrade_dir/old/$file ]]; then cp -p "$home/$file" "$upgrade_dir/old/$file"; fi
    echo "$file" >>"$upgrade_dir/placed.next"
    cp -p "$upgrade_dir/new/$file" "$home/$file.next" && mv "$home/$file.next" "$home/$file"
  done <"$upgrade_dir/files"
  mv "$upgrade_dir/placed.next" "$upgrade_dir/placed"
  rm -f "$upgrade_dir/new/image.tar.gz"
}
