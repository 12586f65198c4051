#!/usr/bin/env bash
# Makes the pictures in assets/screenshots that README.md shows: the real window on a virtual display, typed into like a person
# would. Needs what packaging/test.sh installs, and ImageMagick. Usage: packaging/screenshots.sh [PATH_OF_SFUMATO]
set -euo pipefail
cd "$(dirname "$0")/.."
sfumato=${1:-${CARGO_TARGET_DIR:-target}/release/sfumato}
home=$(mktemp -d)
mkdir -p "$home/runtime" assets/screenshots
export SFUMATO_HOME=$home XDG_RUNTIME_DIR=$home/runtime
unset WAYLAND_DISPLAY

exec 3< <(exec Xvfb -displayfd 1 -screen 0 1440x900x24 -nolisten tcp -noreset 2>/dev/null)
xvfb=$!
read -r number <&3
export DISPLAY=:$number
stop() {
    kill "${window:-}" "$xvfb" 2>/dev/null || true
    rm -rf "$home"
}
trap stop EXIT

"$sfumato" &
window=$!
for _ in $(seq 100); do
    id=$(xdotool search --onlyvisible --name Sfumato | head -n 1) && [ -n "$id" ] && break
    sleep 0.2
done
xdotool windowsize "$id" 1440 900 windowmove "$id" 0 0 windowfocus "$id"
sleep 3

write_prompt() {
    xdotool key alt+a
    sleep 0.3
    xdotool key ctrl+a
    xdotool type --delay 30 "$1"
}
paint() {
    write_prompt "$1"
    xdotool key ctrl+Return
    sleep "$2"
}
paint "a red apple on a blue background" 6
paint "a blue car" 6
paint "a house on the grass" 6
paint "a cat and a dog" 6
write_prompt "strawberry"
xdotool key ctrl+Return
sleep 0.45
import -window root assets/screenshots/painting.png
sleep 6
import -window root assets/screenshots/painted.png
echo "made assets/screenshots/painting.png and assets/screenshots/painted.png"
