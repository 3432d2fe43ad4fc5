#!/bin/sh
# What runs first in every container: entrypoint.sh ROLE [ARGUMENTS]. Reads no secret, starts nothing but the role.
#
# The mounted configuration (/app/config, read-only) is checked and written to /tmp/config with its variables filled in
# by the program itself; secrets stay variables. Then the role takes this process's place.
set -eu

roles='registry matcher validator simple-agent rootlayer console'
role=${1:-}

case $role in
  registry | matcher | validator | simple-agent | rootlayer | console) shift ;;
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

# One start does it all: check, write, run. Where something is wrong, starting again at once would change nothing and
# fill the log: the role stays for HOLD_SECONDS, unhealthy and offline, before the engine starts it again.
exec "/app/bin/$role" --config-dir "${CONFIG_DIR:-/app/config}" "$@" --render /tmp/config --hold "${HOLD_SECONDS:-0}"
