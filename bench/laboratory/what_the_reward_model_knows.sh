#!/usr/bin/env bash
# Does the reward model still tell right from wrong once a policy was trained by it?
# what_the_reward_model_knows.sh LAB OUT, after `codescaler lab run --out LAB --seeds 5`. Final policies
# of several arms write programs for the held-out problems; those are run, and scored by the reward
# model that all arms started with. Stages that are done are passed over.
set -euo pipefail
lab=$(realpath "$1") out=$2
: "${CODESCALER:=codescaler}" "${SEEDS:=1 2 3 4 5}"
mkdir -p "$out" && cd "$out"
problems=(--problems "$lab/held-out/problems.jsonl")

known() { # name, policy
    [ -e "$1/labels.jsonl" ] || "$CODESCALER" eval policy --policy "$2" "${problems[@]}" \
        --samples 8 --completion-tokens-max 160 --out "$1"
    # Exit code 1 says that some answers have no program.
    [ -e "$1.scores.jsonl" ] || "$CODESCALER" score --reward-model "$lab/reward-model" \
        "${problems[@]}" --candidates "$1/candidates.jsonl" --out "$1.scores.jsonl" || [ $? = 1 ]
    "$CODESCALER" eval reward "${problems[@]}" --candidates "$1/candidates.jsonl" --skip-empty \
        --scores "$1.scores.jsonl" --out "$1.json" > "$1.txt"
}
known base "$lab/policy"
for seed in $SEEDS; do
    for arm in execution reward-model reward-model-more aligned-only; do
        known "$arm-$seed" "$lab/rl/$arm-$seed"
    done
    known "refreshed-$seed" "$lab/rl/refreshed-$seed-3"
done
for file in *.txt; do
    grep -m1 "^${file%.txt}.scores " "$file"
done
