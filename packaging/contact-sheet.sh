#!/usr/bin/env bash
# One sitting at the canvas on one sheet, assets/screenshots/sitting.png: open a project, sketch, mask, generate inside it, compare, apply,
# expand to the right, undo all, redo all, save, kill -9, open again, and open the file elsewhere. The real window on a virtual display, used
# like a person would. Fails where what is on the canvas after undoing all, redoing or reopening is not what was there, to the pixel, and where
# the layers of the file that was saved are not those of one that is saved again after it was opened.
# Needs what packaging/test.sh installs, ImageMagick, zip and unzip. Usage: [pause=SECS painting=SECS patience=SECS] packaging/contact-sheet.sh [PATH_OF_SFUMATO],
# with longer waits for a slow machine.
set -euo pipefail
cd "$(dirname "$0")/.."
sfumato=${1:-${CARGO_TARGET_DIR:-target}/release/sfumato}
home=$(mktemp -d)
shots=$home/shots
mkdir -p "$home/runtime" "$shots" assets/screenshots
export SFUMATO_HOME=$home XDG_RUNTIME_DIR=$home/runtime
unset WAYLAND_DISPLAY

exec 3< <(exec Xvfb -displayfd 1 -screen 0 1440x900x24 -nolisten tcp -noreset 2>/dev/null)
xvfb=$!
read -r number <&3
export DISPLAY=:$number
stop() {
    kill "${window:-}" "$xvfb" 2>/dev/null || true
    [ -z "${KEEP_SHOTS:-}" ] || cp "$shots"/*.png "$KEEP_SHOTS"
    rm -rf "$home"
}
trap stop EXIT

open_window() {
    "$sfumato" "$@" &
    window=$!
    for _ in $(seq 150); do
        id=$(xdotool search --onlyvisible --name Sfumato | head -n 1) && [ -n "$id" ] && break
        sleep 0.2
    done
    xdotool windowsize "$id" 1440 900 windowmove "$id" 0 0 windowfocus "$id"
    sleep "${patience:-4}"
}
# A drag through places of the window.
drag() {
    xdotool mousemove "$1" "$2"
    sleep 0.15
    xdotool mousedown 1
    sleep 0.3
    while [ $# -ge 2 ]; do
        xdotool mousemove "$1" "$2"
        sleep 0.06
        shift 2
    done
    xdotool mouseup 1
    sleep "${pause:-0.3}"
}
click() { drag "$1" "$2"; }
keys() { for key in "$@"; do xdotool key "$key"; sleep 0.15; done; }
again() { for _ in $(seq "$2"); do xdotool key "$1"; sleep 0.05; done; sleep 1; }
prompt() {
    keys alt+a
    sleep 0.4
    keys ctrl+a
    sleep 0.2
    xdotool type --delay 25 "$1"
    # Out of the field, so that letters are keys again.
    click 704 860
    sleep 0.5
}
# A circle of eight places around X Y, as wide as R.
ring() {
    local at=()
    for step in $(seq 0 24); do
        at+=($(awk -v x="$1" -v y="$2" -v r="$3" -v s=$step 'BEGIN { a = s * 0.2618; printf "%d %d", x + r * cos(a), y + r * sin(a) }'))
    done
    drag "${at[@]}"
}
number=0
shot() {
    # Away from the canvas, where it would leave its cursor.
    xdotool mousemove 1400 20
    sleep 0.8
    number=$((number + 1))
    import -window root "$shots/$(printf %02d $number).png"
    echo "$number $1"
    labels+=("$number  $1")
}
# The picture of 192 by 128 pixels, shown three times as large.
canvas() { convert "$1" -crop 576x384+416+241 +repage "$2"; }
same() {
    canvas "$1" "$home/a.png"
    canvas "$2" "$home/b.png"
    local apart
    apart=$(compare -metric AE "$home/a.png" "$home/b.png" null: 2>&1 || true)
    [ "$apart" = 0 ] || { echo "$3: $apart pixels of the canvas differ" >&2; exit 1; }
}
# The layers of a project, one above the other in one picture, and its mask.
layers() {
    rm -rf "$2"
    unzip -q -d "$2" "$1"
    convert "$2"/layers/*.png $([ ! -f "$2/mask.png" ] || echo "$2/mask.png") -alpha set -append "$2/all.png"
}
labels=()

# A project of white paper under a clear layer, as any program can make one.
project=$home/sitting.sfumato
mkdir -p "$home/blank/layers"
convert -size 128x128 xc:white PNG32:"$home/blank/layers/0.png"
convert -size 128x128 xc:none PNG32:"$home/blank/layers/1.png"
look='"opacity":1.0,"blend":"normal","visible":true,"locked":false,"keeps_alpha":false'
cat > "$home/blank/project.json" <<END
{"version":1,"extent":{"width":128,"height":128},"active":2,"layers":[
 {"id":1,"file":"layers/0.png","name":"Paper",$look},{"id":2,"file":"layers/1.png","name":"Layer 1",$look}]}
END
(cd "$home/blank" && zip -q -0 -r "$project" project.json layers)

open_window "$project"
shot "a blank project"
# Blue into white by a gradient, grass, and a red ball.
keys b
sleep 0.5
click 150 70; click 150 185
keys shift+g
drag 704 200 704 260 704 320 704 400 704 470
keys b
click 190 90; click 85 185
again bracketright 5
drag 470 640 600 632 760 644 940 636
drag 470 680 640 676 800 684 940 678
again bracketleft 5
click 225 60; click 14 185
ring 704 470 60
ring 704 470 24
shot "sketch with brushes"
keys shift+l
ring 704 470 136
shot "mask with the lasso"
prompt "a red apple"
keys ctrl+Return
sleep "${painting:-10}"
shot "generate inside"
keys y
shot "compare: before and after"
keys y Return
sleep 1
keys shift+c
shot "apply as a layer"
prompt "a house on the grass"
# The menu beside the button: expand to the right.
click 763 749
sleep 0.8
shot "ways to paint"
click 823 607
sleep "${painting:-10}"
shot "expanded to the right"
keys Return
sleep 1
keys shift+c h
shot "applied"
again ctrl+z 60
shot "undo all"
# The last of it was to open the project.
keys ctrl+shift+z
shot "as it began"
same "$shots/01.png" "$shots/11.png" "after undoing all"
again ctrl+shift+z 60
shot "redo all"
same "$shots/09.png" "$shots/12.png" "after redoing all"
keys ctrl+s
sleep 2
shot "save"
cp "$project" "$home/saved.sfumato"
layers "$home/saved.sfumato" "$home/saved"
[ "$(identify -format %h "$home/saved/layers/0.png")" = 128 ] || { echo "nothing was saved" >&2; exit 1; }
sleep 3
kill -9 "$window"
wait "$window" 2>/dev/null || true
sleep 1
open_window
shot "killed, and opened again"
same "$shots/12.png" "$shots/14.png" "after kill -9"
kill "$window"
wait "$window" 2>/dev/null || true
export SFUMATO_HOME=$home/elsewhere
open_window "$project"
shot "the file, opened elsewhere"
same "$shots/12.png" "$shots/15.png" "the file, opened elsewhere"
keys ctrl+s
sleep 2
[ "$project" -nt "$home/saved.sfumato" ] || { echo "it was not saved again" >&2; exit 1; }
layers "$project" "$home/again"
apart=$(compare -metric AE "$home/saved/all.png" "$home/again/all.png" null: 2>&1 || true)
[ "$apart" = 0 ] || { echo "the saved layers: $apart pixels differ" >&2; exit 1; }

arguments=()
for index in "${!labels[@]}"; do
    arguments+=(-label "${labels[$index]}" "$shots/$(printf %02d $((index + 1))).png")
done
montage -background '#232325' -fill '#e6e6e6' -pointsize 18 "${arguments[@]}" -geometry 600x375+5+5 -tile 2x miff:- |
    convert - -treedepth 8 -dither FloydSteinberg -colors 160 PNG8:assets/screenshots/sitting.png
echo "made assets/screenshots/sitting.png"
