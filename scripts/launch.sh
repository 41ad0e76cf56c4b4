# shellcheck shell=bash
# Sourced by launch-*.sh: trains every step of a protocol on the RGB tiles, then on the RGBIR tiles.
#
#   launch METHOD_NAME TASK LAST_STEP DATA_RGB DATA_RGBIR FLAGS...
#
# Environment: CONFIG (a launcher file, default configs/single-gpu.json), PORT (default 1234),
# ENCODER (default tresnet_m), NORM (default iabn_sync, which scripts/install_iabn.sh provides).

usage() {
  echo "usage: $0 DATA_RGB DATA_RGBIR [FLAGS of run.py train ...]" >&2
  echo "DATA_RGB and DATA_RGBIR are folders that 'run.py prepare' wrote; write - to leave one out." >&2
  exit 2
}

launch() {
  local name="$1" task="$2" last_step="$3" data_rgb="$4" data_rgbir="$5"
  shift 5
  launch_steps "rgb-$name" "$task" "$last_step" "$data_rgb" 3 "$@"
  launch_steps "rgbir-$name" "$task" "$last_step" "$data_rgbir" 4 "$@"
}

launch_steps() {
  local name="$1" task="$2" last_step="$3" data_root="$4" in_channels="$5" repository step
  shift 5
  repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
  if [[ "$data_root" == - ]]; then return; fi
  if ! command -v accelerate >/dev/null; then PATH="$repository/.venv/bin:$PATH"; fi
  for ((step = 0; step <= last_step; step++)); do
    accelerate launch --config_file "${CONFIG:-$repository/configs/single-gpu.json}" \
      --main_process_port "${PORT:-1234}" "$repository/run.py" train \
      --data-root "$data_root" --name "$name" --in-channels "$in_channels" \
      --task.name "$task" --task.step "$step" --task.filter-mode split \
      --model.encoder "${ENCODER:-tresnet_m}" --model.pretrained --model.act ident --model.norm "${NORM:-iabn_sync}" \
      --class-weights none --sampling even --trainer.batch-size 8 --trainer.amp --trainer.patience 25 \
      --optimizer.lr 1e-3 --scheduler.target cosine "$@"
  done
}
