#!/bin/sh
# What runs first in every container: entrypoint.sh ROLE [ARGUMENTS]. Reads no secret, starts nothing but the role.
#
# The mounted configuration (/app/config, read-only) is checked and written to /tmp/config with its variables filled in
# by the program itself; secrets stay variables. Then the role takes this process's place.
set -eu

roles='registry matcher validator simple-agent rootlayer'
rendered=/tmp/config
role=${1:-}

case $role in
  registry | matcher | validator | simple-agent | rootlayer) shift ;;
  subnetctl)
    shift
    exec /app/bin/subnetctl "$@"
    ;;
  *)
    echo "entrypoint: '$role' is no role; expected one of: $roles subnetctl" >&2
    exit 64
    ;;
esac

# Public facts of a network whose keys were made for it: NAME=value lines. What is set for this container goes first.
if [ -r /app/network/public.env ]; then
  while IFS='=' read -r name value; do
    case $name in
      '' | [0-9]* | *[!A-Z0-9_]*) continue ;;
    esac
    eval "present=\${$name:-}" # the name has only capitals, digits and underscores
    [ -n "$present" ] || export "$name=$value"
  done </app/network/public.env
fi

status=0
"/app/bin/$role" --config-dir "${CONFIG_DIR:-/app/config}" "$@" --render "$rendered" || status=$?
if [ "$status" != 0 ]; then
  # Starting again at once would change nothing and fill the log: wait, unhealthy and offline, then let the engine
  # start this container again, so that a corrected file or variable is found.
  if [ "$status" = 78 ] && [ "${HOLD_SECONDS:-0}" -gt 0 ]; then
    echo "entrypoint: $role is not started; looking again in $HOLD_SECONDS s" >&2
    trap 'exit 78' TERM INT
    sleep "$HOLD_SECONDS" &
    wait $! || true
  fi
  exit "$status"
fi
exec "/app/bin/$role" --config-dir "$rendered" "$@"
