#!/usr/bin/env bash
# From nothing to an incremental model on a synthetic city, on a laptop without a GPU: environment, raw imagery, tiles,
# three steps of MiB with rotation contrastive distillation, scores. Everything is written to demo/ in the repository.
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

DEMO=demo
RUN="$DEMO/outputs/potsdam/$TASK/mib-cd"

make_environment requirements.txt
PATH="$VENV/bin:$PATH"

title() { printf '\n=== %s\n' "$*"; }

title "A synthetic city in the raw layout of ISPRS Potsdam"
python run.py demo --dst "$DEMO/raw" --scenes "$SCENES" --size "$SCENE_SIZE"

title "Cutting it into tiles"
python run.py prepare --dataset potsdam --src "$DEMO/raw" --dst "$DEMO/tiles" --channels rgb \
  --tile-size "$TILE_SIZE" --overlap "$OVERLAP" --allow-missing

title "Learning in three steps, two new classes in each, without labels of old classes"
python run.py train --data-root "$DEMO/tiles" --output-folder "$DEMO/outputs" --name mib-cd \
  --task.name "$TASK" --task.step all --method mib --aug.factor 0.1 --aug.factor-icl 0.1 \
  --model.encoder "$ENCODER" --trainer.batch-size "$BATCH_SIZE" --trainer.max-epochs "$EPOCHS" \
  --trainer.num-workers 1 --trainer.resume --optimizer.lr "$LEARNING_RATE"

title "Scoring every step on the test scenes"
python run.py test --run "$RUN" --task.step all

title "Done"
echo "The table above shows how well each step recognises old and new classes."
echo "Pictures: $RUN/step-*/figures/"
