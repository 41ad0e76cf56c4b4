#!/usr/bin/env bash
# Unbiased fine-tuning with rotation contrastive distillation on ISPRS Potsdam, one class per step.
# usage: scripts/launch-uft-cd.sh DATA_RGB DATA_RGBIR [FLAGS ...]    write - instead of one of the two to leave it out; of a repeated flag the last one wins
set -euo pipefail

# shellcheck source=scripts/launch.sh
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
if [[ $# -lt 2 ]]; then usage; fi
DATA_RGB="$1"
DATA_RGBIR="$2"
shift 2

launch uft-cd 6s 5 "$DATA_RGB" "$DATA_RGBIR" --method uft --aug.factor 0.1 --aug.factor-icl 10 --aug.no-fixed-angles "$@"
