# shellcheck shell=bash disable=SC2154,SC2034 # deploy.sh and the other parts set what is read here, and read what is set
# How long something took, and for how long services did not answer, as it is seen from outside; read by deploy.sh.

microseconds() { echo "${EPOCHREALTIME//[.,]/}"; }
seconds_since() { awk -v from="$1" -v to="$(microseconds)" 'BEGIN {printf "%.1f", (to - from) / 1e6}'; }

measure_begin() {
  local service port validators=() others=()
  for service in $(containers); do
    [[ $service == validator-* || $service == matcher || $service == registry ]] || continue
    port=$(compose port "$service" "$(health_port "$service")" 2>/dev/null) || continue
    port=${port/#0.0.0.0:/127.0.0.1:}
    if [[ $service == validator-* ]]; then validators+=("$port"); else others+=("$service=$port"); fi
  done
  measure "${#validators[@]}" "${validators[@]}" "${others[@]}" 9>&- &
  measuring=$!
}

health_port() { compose ps --quiet "$1" | xargs docker inspect --format '{{json .Config.Healthcheck.Test}}' | sed -nE 's#.*127\.0\.0\.1:([0-9]+)/.*#\1#p'; }

answers_ready() ( # answers_ready HOST:PORT
  exec 3<>"/dev/tcp/${1%:*}/${1##*:}" && printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3 && read -r -t 2 line <&3 && [[ $line == *" 200 "* ]]
) 2>/dev/null

measure() { # measure N ADDRESS… NAME=ADDRESS…: adds up until it is told to stop, or deploy.sh has ended
  local all=$1 number last now one ready_now
  local -A away=()
  shift
  ((all < 3)) || away[agreement]=0 # one of several hosts does not see what the others agree on
  last=$(microseconds)
  while [[ ! -e $scratch/measured ]] && kill -0 $$ 2>/dev/null; do
    ready_now=0
    local -A out=()
    for ((number = 1; number <= all; number++)); do
      if answers_ready "${!number}"; then ready_now=$((ready_now + 1)); fi
    done
    ((all < 3 || ready_now * 2 > all)) || out[agreement]=1
    for one in "${@:all+1}"; do answers_ready "${one#*=}" || out[${one%%=*}]=1; done
    now=$(microseconds)
    for one in "${!out[@]}"; do away[$one]=$((${away[$one]:-0} + now - last)); done
    last=$now
    for one in "${!away[@]}"; do printf '%s %s\n' "$one" "${away[$one]}"; done >"$scratch/away"
    sleep 0.2
  done
}

measure_end() {
  [[ -n ${measuring:-} ]] || return 0
  touch "$scratch/measured"
  wait "$measuring" || true
  measuring=
  [[ ! -s $scratch/away ]] || say "measured unavailability: $(awk '{printf "%s%s %.1f s", (NR > 1 ? ", " : ""), $1, $2 / 1e6}' "$scratch/away") (agreement: less than a majority of the validators here was ready)"
}
