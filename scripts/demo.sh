#!/usr/bin/env bash
# From nothing to an incremental model on a synthetic city, on a laptop without a GPU: environment, raw imagery, tiles,
# three steps of MiB with rotation contrastive distillation, two steps of fine-tuning from the same first step, scores of
# both. Everything is written to demo/ in the repository.
# Finished work there is kept, so a second run only shows the scores. To change the budget, delete demo/ first.
set -euo pipefail

# shellcheck source=scripts/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
cd "$REPOSITORY"

# The budget: how large the city is and how long each of the three steps trains.
SCENES="${SCENES:-6}"
SCENE_SIZE="${SCENE_SIZE:-768}"
TILE_SIZE="${TILE_SIZE:-128}"
OVERLAP="${OVERLAP:-32}"
ENCODER="${ENCODER:-resnet18}"
BATCH_SIZE="${BATCH_SIZE:-8}"
EPOCHS="${EPOCHS:-8}"
LEARNING_RATE="${LEARNING_RATE:-1e-3}"
TASK="${TASK:-222a}"
# Numbers of 16 bits are twice as fast on processors that compute with them, and slower on all others.
if [[ -z "${PRECISION:-}" ]]; then
  if grep -qwE 'avx512_bf16|amx_bf16' /proc/cpuinfo 2>/dev/null; then PRECISION=bf16; else PRECISION=float32; fi
fi

DEMO=demo
RUNS="$DEMO/outputs/potsdam/$TASK"

make_environment requirements.txt
PATH="$VENV/bin:$PATH"

title() { printf '\n=== %s\n' "$*"; }

train() {
  python run.py train --data-root "$DEMO/tiles" --output-folder "$DEMO/outputs" --task.name "$TASK" \
    --model.encoder "$ENCODER" --trainer.batch-size "$BATCH_SIZE" --trainer.max-epochs "$EPOCHS" \
    --trainer.precision "$PRECISION" --trainer.num-workers 1 --trainer.resume --optimizer.lr "$LEARNING_RATE" "$@"
}

title "A synthetic city in the raw layout of ISPRS Potsdam"
python run.py demo --dst "$DEMO/raw" --scenes "$SCENES" --size "$SCENE_SIZE"

title "Cutting it into tiles"
python run.py prepare --dataset potsdam --src "$DEMO/raw" --dst "$DEMO/tiles" --channels rgb \
  --tile-size "$TILE_SIZE" --overlap "$OVERLAP" --allow-missing

title "Learning in three steps, two new classes in each, without labels of old classes"
train --name mib-cd --task.step all --method mib --aug.factor 0.1 --aug.factor-icl 0.1

title "For comparison: fine-tuning from the same first step, on the same tiles"
train --name ft --task.step 1 --method ft --task.step-checkpoint "$RUNS/mib-cd/step-0"
train --name ft --task.step 2 --method ft

title "Scoring every step on the test scenes"
python run.py test --run "$RUNS/ft" --task.step all
python run.py test --run "$RUNS/mib-cd" --task.step all --against "$RUNS/ft"

title "Done"
echo "The table above shows what remains of every class: with MiB-CD, and with fine-tuning, which forgets old classes."
echo "Pictures: $RUNS/*/step-*/figures/"
