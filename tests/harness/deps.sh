#!/bin/sh
# Install the Debian packages named as arguments that are missing; with sudo when not root.
# Nothing is asked of the network when all of them are there.
set -eu
missing=
for package in "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "make deps: not root and no sudo; as root run: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi
echo "make deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q >/dev/null
# shellcheck disable=SC2086  # a list of words is meant
$as_root apt-get install -q -y --no-install-recommends $missing >/dev/null
