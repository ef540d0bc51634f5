#!/usr/bin/env bash
# Gets what imd is measured against, and builds it outside of the checkout:
#
#   benches/numbers/anchors.sh DIR
#
# uWebSockets' EchoServer and HelloWorld, and anchors/publish.cpp, from source: needs git and g++. NATS if there is a Go toolchain.
# Redis and its load generator come from the system's packages (redis-server, redis-tools).
set -euo pipefail
uws_version=v20.79.0
nats_version=v2.15.2

[ $# = 1 ] || { sed -n '2,7s/^# \?//p' "$0" >&2; exit 2; }
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
mkdir -p "$1"
cd "$1"

[ -d uws ] || git clone --depth 1 --branch "$uws_version" --recurse-submodules --shallow-submodules \
    https://github.com/uNetworking/uWebSockets uws
if [ ! -e uws/uSockets/src/libusockets.h ]; then
    git -C uws submodule update --init uSockets
fi
flags=(-O3 -flto -DLIBUS_NO_SSL -DUWS_NO_ZLIB -Iuws/src -Iuws/uSockets/src)
sources=(uws/uSockets/src/*.c uws/uSockets/src/eventing/*.c)
mkdir -p objects
for source in "${sources[@]}"; do
    gcc -std=c11 "${flags[@]}" -c "$source" -o "objects/$(basename "${source%.c}").o"
done
build() {
    g++ -std=c++20 "${flags[@]}" "$2" objects/*.o -o "$1"
    echo "built $1"
}
build EchoServer uws/examples/EchoServer.cpp
build HelloWorld uws/examples/HelloWorld.cpp
build publish "$here/anchors/publish.cpp"

if command -v go >/dev/null; then
    [ -x nats-server ] || GOBIN=$PWD go install "github.com/nats-io/nats-server/v2@$nats_version"
    echo "built nats-server"
else
    echo "no Go toolchain: NATS is left out"
fi
command -v redis-server >/dev/null && command -v redis-benchmark >/dev/null || echo "no Redis: install redis-server and redis-tools"
