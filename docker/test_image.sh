#!/bin/bash
# test_image.sh: builds the image and runs it, without any image registry.
#
# The base image is made with debootstrap, imported, and given to the Dockerfile as its BASE. The image then runs as nobody,
# with a read-only root file system and no capabilities, beside the stand-in's image and a small backend, all on loopback,
# and has to let one request through, refuse one, and be healthy. Needs root, the packages of group `image`
# (tests/install/packages.txt) and Debian's mirror (debootstrap's own, or MIRROR). Everything lives in one temporary folder.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
base=localhost/debian:bookworm-slim

[ "$(id -u)" = 0 ] || { echo "test_image: must be root" >&2; exit 2; }
"$root/tests/install/ensure.sh" image

work=$(mktemp -d /tmp/barkeep-image-XXXXXX)
storage=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs)
started=()

clean() {
    for name in barkeep standin; do
        engine rm --force --time 3 "$name" >/dev/null 2>&1 || true
    done
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    rm -rf --one-file-system "$work"
}
trap clean EXIT

engine() {
    podman "${storage[@]}" --runtime runc --cgroup-manager cgroupfs "$@"
}

build() {
    buildah "${storage[@]}" bud --isolation chroot --network host --pull-never --format docker --layers=false --build-arg BASE="$base" \
        --target "$1" -t "$1" -f "$root/docker/Dockerfile" "$root" >"$work/build.log" 2>&1 ||
        { tail -n 30 "$work/build.log" >&2; exit 1; }
}

# as strict as an orchestrator would be; without systemd podman complains that it cannot time health checks
start() {
    local name=$1
    shift
    engine run --detach --name "$name" --network host --read-only --cap-drop all --security-opt no-new-privileges \
        --user 65534 --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@" >/dev/null 2>>"$work/podman.log"
}

wait_for() {
    local what=$1
    shift
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.2
    done
    echo "test_image: waited in vain for $what" >&2
    engine logs standin >&2 || true
    engine logs barkeep >&2 || true
    exit 1
}

free_port() {
    PYTHONPATH=$root/tests python3 -c 'from lib.net import free_port; print(free_port())'
}

passed=0
failed=0
expect() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        echo "ok    $1: $3"
    else
        failed=$((failed + 1))
        echo "FAIL  $1: $3, expected $2"
    fi
}

echo "== base image from debootstrap"
debootstrap --variant=minbase bookworm "$work/base" ${MIRROR:+"$MIRROR"} >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
tar -C "$work/base" -c . | engine import - "$base" >/dev/null 2>&1
rm -rf --one-file-system "$work/base"

echo "== build"
build barkeep
build standin
engine images --format '{{.Repository}} {{.Size}}' | sed -n 's|^localhost/||p'

echo "== run"
https_port=$(free_port) http_port=$(free_port) port=$(free_port) admin_port=$(free_port)
python3 "$root/docker/upstream_for_test.py" >"$work/upstream" 2>/dev/null &
started+=($!)
wait_for "the backend" test -s "$work/upstream"
upstream_port=$(cat "$work/upstream")
install -d -o 65534 -g 65534 -m 700 "$work/state"
start standin --volume "$work/state:/state" localhost/standin --state /state --port "$https_port" --http-port "$http_port"
sed -e "s/:18080/:$http_port/; s/0.0.0.0:8080/127.0.0.1:$port/; s/:9090/:$admin_port/; s/:15672/:$upstream_port/" \
    "$root/docker/barkeep.yaml" >"$work/barkeep.yaml"
wait_for "the stand-in" curl -sf "http://127.0.0.1:$http_port/3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4/v2.0/.well-known/openid-configuration"
start barkeep --volume "$work/barkeep.yaml:/etc/barkeep/barkeep.yaml:ro" --env ADMIN_PORT="$admin_port" localhost/barkeep
wait_for "barkeep" curl -sf "http://127.0.0.1:$admin_port/readyz"

token=$(engine run --rm --network host --user 65534 --read-only --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
    --volume "$work/state:/state" localhost/standin token --state /state --app-role Monitoring.Read)
url=http://127.0.0.1:$port/rabbit/api/whoami
ask() {
    curl -s -o "$work/body" -w '%{http_code}' "$@"
}
expect "a viewer reads" 200 "$(ask -H "Authorization: Bearer $token" "$url")"
expect "with the backend's account" '{"name":"viewer"}' "$(cat "$work/body")"
expect "a viewer may not write" 403 "$(ask -X DELETE -H "Authorization: Bearer $token" "$url")"
expect "nobody is refused" 401 "$(ask "$url")"
expect "the health check" 0 "$(engine healthcheck run barkeep >/dev/null 2>&1; echo $?)"
expect "one audit line a request" 3 "$(engine logs barkeep 2>/dev/null | grep -c '"event":"request"')"
engine stop --time 15 barkeep >/dev/null 2>>"$work/podman.log"
expect "SIGTERM ends it with" 0 "$(engine inspect --format '{{.State.ExitCode}}' barkeep)"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
