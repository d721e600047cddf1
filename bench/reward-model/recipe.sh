#!/usr/bin/env bash
# From raw data to the reward model in the box: recipe.sh DATA OUT
# DATA holds the files that are imported here; OUT gets a folder per stage. Every stage that is done
# is passed over, a stopped one goes on where it was. CODESCALER names the program.
set -euo pipefail
here=$(dirname "$(realpath "$0")") data=$(realpath "$1") out=$2
mkdir -p "$out" && cd "$out"
# Stages 1 to 3: problems, tokenizer, bugs of one token, preferences.
source "$here/data.sh"

# 4. The policy, and the reward model in two passes.
policy policy 256 6
learn() { # base, folder, rate, options
    [ -e "$2/model.safetensors" ] || "$CODESCALER" train reward --base "$1" --out "$2" --rate "$3" \
        --tokens-max 1280 --every-token 1 "${@:4}"
}
learn policy first 6e-4 --problems lcb/problems.jsonl --preferences lcb_any.pairs.jsonl
learnt=()
for name in lcb lcb_bugs leetcode mbpp apps condefects; do learnt+=(--preferences "$name.pairs.jsonl"); done
for folder in lcb leetcode mbpp apps; do learnt+=(--problems "$folder/problems.jsonl"); done
learn first reward-model 5e-4 "${learnt[@]}"

# 5. Two small ones that are asked beside it: balanced pairs as they were written, by two seeds.
policy policy-128x4 128 4
[ -e members.pairs.jsonl ] || "$CODESCALER" curate pairs --problems lcb/problems.jsonl \
    --candidates lcb/candidates.jsonl "${against[@]}" --per-problem 96 --per-program 16 \
    --pairs-max 9000 --out members.pairs.jsonl
for seed in 1 2; do
    learn policy-128x4 "member-$seed" 6e-4 --problems lcb/problems.jsonl \
        --preferences members.pairs.jsonl --seed "$seed"
done
