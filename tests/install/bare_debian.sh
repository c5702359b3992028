#!/bin/bash
# bare_debian.sh [SUITE]: the README's two command lines on a bare Debian (bookworm, trixie: no compiler, no make, no git).
#
# Makes a minimal Debian with debootstrap in a temporary folder, puts this repository's last commit in, and runs the two
# lines, taken from README.md, in a chroot with its own mounts and process ids: whatever they start ends with them.
# Needs root, debootstrap, git and Debian's mirror (debootstrap's own, or MIRROR). Ends with what the two lines ended with.
set -euo pipefail

suite=${1:-bookworm}
root=$(cd "$(dirname "$0")/../.." && pwd)

[ "$(id -u)" = 0 ] || { echo "bare_debian: must be root" >&2; exit 2; }

shown_commands() {
    sed -n '/^<!-- two commands -->$/,/^```$/p' "$root/README.md" | sed '/^<!--/d; /^```/d'
}

# In the namespaces: $1 the tree, $2 the line to run.
run_line() {
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root ONCE=1 \
        chroot "$1" /bin/sh -c "cd /barkeep && $2"
}

if [ "${1:-}" = --run-line ]; then
    run_line "$2" "$3"
fi

tree=$(mktemp -d /tmp/barkeep-bare-XXXXXX)
trap 'rm -rf --one-file-system "$tree"' EXIT

echo "== debootstrap $suite"
debootstrap --variant=minbase "$suite" "$tree" ${MIRROR:+"$MIRROR"} >"$tree.log" 2>&1 ||
    { tail -n 20 "$tree.log" >&2; rm -f "$tree.log"; exit 1; }
rm -f "$tree.log"
# What a machine has and debootstrap does not make: a root that everyone may enter, and its own names.
chmod 755 "$tree"
[ -e "$tree/etc/hosts" ] || echo "127.0.0.1 localhost" >"$tree/etc/hosts"
for tool in make cc gcc git python3; do
    if chroot "$tree" /bin/sh -c "command -v $tool" >/dev/null; then
        echo "bare_debian: this Debian is not bare: it has $tool" >&2
        exit 1
    fi
done
mkdir "$tree/barkeep"
git -C "$root" archive HEAD | tar -x -C "$tree/barkeep"

mapfile -t lines < <(shown_commands)
[ "${#lines[@]}" = 2 ] || { echo "bare_debian: README.md does not show two command lines" >&2; exit 1; }
expected=('^everything answered as it should$' '^[0-9]+ passed, 0 failed(, [0-9]+ skipped)?$')
results=()
for i in 0 1; do
    echo "== ${lines[$i]}"
    started=$SECONDS
    status=0
    unshare --mount --propagation private --pid --fork --kill-child "$0" --run-line "$tree" "${lines[$i]}" 2>&1 </dev/null |
        tee "$tree/output" || status=$?
    last=$(sed '/^$/d' "$tree/output" | tail -n 1)
    if [ "$status" != 0 ] || ! [[ $last =~ ${expected[$i]} ]]; then
        echo "bare_debian: line $((i + 1)) failed with status $status: $last" >&2
        exit 1
    fi
    results+=("line $((i + 1)), $((SECONDS - started)) s: $last")
done
echo "== $suite"
printf '%s\n' "${results[@]}"
