#!/usr/bin/env bash
# Makes assets/screenshots/models.png, the list of models, and assets/screenshots/download.png, a download that runs: the real window on a
# virtual display, with a hub played on this machine. The models are files of the right names and shapes over holes, and nothing is loaded of
# them. Needs what packaging/test.sh installs, ImageMagick, and a Python (in $PYTHON) with what benches/full_size.py needs.
# Usage: packaging/models-screenshots.sh [PATH_OF_SFUMATO]
set -euo pipefail
cd "$(dirname "$0")/.."
sfumato=${1:-${CARGO_TARGET_DIR:-target}/release/sfumato}
python=${PYTHON:-python3}
home=$(mktemp -d)
mkdir -p "$home/runtime" "$home/models" assets/screenshots
export SFUMATO_HOME=$home XDG_RUNTIME_DIR=$home/runtime
unset WAYLAND_DISPLAY HF_TOKEN

for model in sd1:dreamshaper_8 sd1:v1-5-pruned-emaonly-fp16 xl:sd_xl_base_1.0 xl:juggernautXL_v9; do
    "$python" benches/full_size.py hollow "${model%%:*}" "$home/models/${model##*:}.safetensors"
done
convert assets/models/bozzetto/things.jpg -resize 256x256^ -gravity center -extent 256x256 "$home/models/dreamshaper_8.png"
convert assets/screenshots/painted.png -crop 500x500+448+180 +repage -resize 256x256 "$home/models/sd_xl_base_1.0.png"

# A hub with one model, that gives a piece of its files every tenth of a second.
"$python" - "$home/port" <<'PLAY' &
import http.server, json, sys, time
NAMES = [("model_index.json", 541), ("unet/config.json", 743), ("unet/diffusion_pytorch_model.fp16.safetensors", 1719125304),
         ("vae/config.json", 547), ("vae/diffusion_pytorch_model.fp16.safetensors", 167335342), ("text_encoder/config.json", 617),
         ("text_encoder/model.fp16.safetensors", 246144152), ("tokenizer/vocab.json", 1059962), ("tokenizer/merges.txt", 524619),
         ("tokenizer/tokenizer_config.json", 806), ("tokenizer/special_tokens_map.json", 472), ("scheduler/scheduler_config.json", 308)]
INDEX = json.dumps({"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
                    "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
                    "scheduler": ["diffusers", "PNDMScheduler"]}).encode()
SIZES = dict(NAMES) | {"model_index.json": len(INDEX)}

class Hub(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        name = self.path.partition("/resolve/abc/")[2]
        if self.path.startswith("/api/models/"):
            siblings = [{"rfilename": name, "size": size} for name, size in SIZES.items()]
            body = json.dumps({"sha": "abc", "cardData": {"license": "creativeml-openrail-m"}, "siblings": siblings}).encode()
        elif name not in SIZES:
            return self.send_error(404)
        else:
            body = INDEX if name == "model_index.json" else None
        self.send_response(200)
        self.send_header("Content-Length", str(SIZES[name] if body is None else len(body)))
        self.end_headers()
        if body is not None:
            return self.wfile.write(body)
        left, piece = SIZES[name], b" " * (16 << 20)
        while left:
            left -= self.wfile.write(piece[: min(left, len(piece))])
            time.sleep(0.1)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
with open(sys.argv[1], "w") as file:
    file.write(str(server.server_port))
server.serve_forever()
PLAY
hub=$!
for _ in $(seq 50); do [ -s "$home/port" ] && break; sleep 0.1; done
echo "hub = \"http://127.0.0.1:$(cat "$home/port")\"" > "$home/settings.toml"

exec 3< <(exec Xvfb -displayfd 1 -screen 0 1280x800x24 -nolisten tcp -noreset 2>/dev/null)
xvfb=$!
read -r number <&3
export DISPLAY=:$number
stop() {
    kill "${window:-}" "$hub" "$xvfb" 2>/dev/null || true
    rm -rf "$home"
}
trap stop EXIT

"$sfumato" &
window=$!
for _ in $(seq 150); do
    id=$(xdotool search --onlyvisible --name Sfumato | head -n 1) && [ -n "$id" ] && break
    sleep 0.2
done
xdotool windowsize "$id" 1280 800 windowmove "$id" 0 0 windowfocus "$id"
sleep "${patience:-4}"

click() {
    xdotool mousemove $(($1 - 6)) "$2"
    sleep 1
    xdotool mousemove "$1" "$2"
    sleep 1
    xdotool click 1
    sleep "${3:-0.5}"
}
shot() {
    import -window root "assets/screenshots/$1.png"
    echo "made assets/screenshots/$1.png"
}
# The box beside "Model".
click 1160 379 3
shot models
xdotool key Escape
sleep 0.5
# File, "Get models…", and the first of them.
click 100 19
click 150 384 3
click 876 168 "${downloading:-8}"
shot download
