#!/bin/sh
# ensure.sh GROUP...: installs the Debian packages of these groups (packages.txt) that are missing.
#
# Silent when nothing is missing. Installing needs root or sudo; without either it says in one line what to do.
# Daemons that come with the packages (rabbitmq-server, nginx, haproxy...) are not started: for the time of the
# installation a policy-rc.d forbids it, unless the machine has one of its own.
set -eu

here=$(dirname "$0")
policy=/usr/sbin/policy-rc.d

wanted() {
    for group in "$@"; do
        sed -n "s/^$group: *//p" "$here/packages.txt"
    done | tr ' ' '\n' | sed '/^$/d' | sort -u
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | head -n 1)" = installed ]
}

missing() {
    for package in $(wanted "$@"); do
        is_installed "$package" || printf '%s ' "$package"
    done
}

install_as_root() {
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update || echo "barkeep: apt-get update reported errors; trying with the lists at hand" >&2
    # no stdin, for maintainer scripts that would ask; dpkg's chatter is shown only on failure
    log=$(mktemp)
    if ! apt-get -y -q --no-install-recommends install "$@" </dev/null >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "barkeep: apt-get could not install: $*" >&2
        exit 1
    fi
    rm -f "$log"
}

[ "${1:-}" = --as-root ] && { shift; install_as_root "$@"; exit 0; }

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    echo "barkeep: not a Debian system: make sure these are there: $(wanted "$@" | tr '\n' ' ')" >&2
    exit 0
fi
packages=$(missing "$@")
[ -n "$packages" ] || exit 0
if [ "$(id -u)" = 0 ]; then
    become=
elif command -v sudo >/dev/null 2>&1; then
    become=sudo
else
    echo "barkeep: as root run: apt-get install --no-install-recommends $packages" >&2
    exit 1
fi
echo "installing: $packages"
# shellcheck disable=SC2086 # a list of package names
$become "$here/ensure.sh" --as-root $packages
