#!/bin/sh
# Runs all of Sfumato's tests: packaging/test.sh [ARGS for cargo test]
# Installs what they need and is missing: a software graphics driver, so that they see the same pixels everywhere, and a screen
# in memory for the test that drives the real window.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/packaging/packages.sh"

install_missing "$BUILD_PACKAGES$WINDOW_PACKAGES$TEST_PACKAGES"
need_rust

# Mesa wants a private folder; a backtrace in an error's text would differ from machine to machine.
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
    XDG_RUNTIME_DIR=$(mktemp -d)
    chmod 700 "$XDG_RUNTIME_DIR"
    trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
fi
export XDG_RUNTIME_DIR
export RUST_BACKTRACE=0

cd "$root"
cargo test --locked "$@"
