#!/bin/sh
# Builds Sfumato and starts it: packaging/run.sh [ARGS]
# Installs the system packages that are missing (asks first on a terminal). Without ARGS the window opens; where there is no
# display, the example prompt is painted instead. ARGS are passed on: packaging/run.sh paint "red apple" --seed 7
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/packaging/packages.sh"

has_display() {
    [ "$(uname -s)" = Darwin ] || [ -n "${DISPLAY:-}" ] || [ -n "${WAYLAND_DISPLAY:-}" ]
}

needed=$BUILD_PACKAGES
if [ $# -eq 0 ] && has_display; then
    needed=$needed$WINDOW_PACKAGES
fi
install_missing "$needed"
need_rust

(cd "$root" && cargo build --release --locked)
target=$(cd "$root" && cargo metadata --no-deps --offline --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
sfumato=$target/release/sfumato

if [ $# -gt 0 ]; then
    exec "$sfumato" "$@"
fi
if has_display; then
    exec "$sfumato"
fi
say "There is no display here, so the window stays closed: the example prompt is painted instead."
picture=$("$sfumato" paint "red apple" --seed 7)
say "The picture is here:"
case $picture in
    /*) printf '%s\n' "$picture" ;;
    *) printf '%s\n' "$PWD/$picture" ;;
esac
