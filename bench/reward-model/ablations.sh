#!/usr/bin/env bash
# What each part of the recipe is worth, on contest programs: ablations.sh DATA OUT
# Every arm but `large` is a decoder of 1.8 million parameters trained by Bradley-Terry on the same
# number of pairs of LiveCodeBench's training problems, one thing changed, and judged on its
# validation problems.
# Stages that are done are passed over, a stopped one goes on where it was.
set -euo pipefail
here=$(dirname "$(realpath "$0")") data=$(realpath "$1") out=$2
mkdir -p "$out" && cd "$out"
source "$here/data.sh"

# What is left out so that one problem of so many stays.
part() { # name, of how many problems one
    python3 - "$2" "$data/judgebench_overlap.json" > "$1.json" <<'PY'
import json, sys
ids = [json.loads(line)["id"] for line in list(open("lcb/problems.jsonl"))[1:]]
left_out = [name for at, name in enumerate(ids) if at % int(sys.argv[1])]
print(json.dumps([left_out, json.load(open(sys.argv[2]))]))
PY
}
# Of the validation programs those with a verdict are scored.
[ -e lcb_val/judged/candidates.jsonl ] || { mkdir -p lcb_val/judged && python3 - lcb_val lcb_val/judged <<'PY'
import json, shutil, sys
source, out = sys.argv[1:]
of = lambda line: (json.loads(line)["problem"], json.loads(line)["index"])
judged = {of(line) for line in list(open(f"{source}/labels.jsonl"))[1:]}
head, *rows = open(f"{source}/candidates.jsonl")
with open(f"{out}/candidates.jsonl", "w") as file:
    file.writelines([head] + [row for row in rows if of(row) in judged])
shutil.copy(f"{source}/labels.jsonl", out)
PY
}
probes=(--problems lcb_val/problems.jsonl --candidates lcb_val/probes/candidates.jsonl)
[ -e lcb_val/probes/candidates.jsonl ] || "$CODESCALER" curate probes \
    --problems lcb_val/problems.jsonl --candidates lcb_val/candidates.jsonl --out lcb_val/probes

held_out=(--against lcb_val --against humaneval --against humanevalx --against mbppplus)
arm() { # name, base, part of the problems, options of `curate pairs`
    local name=$1 base=$2 part=$3
    shift 3
    [ -e "arms/$name/pairs.jsonl" ] || "$CODESCALER" curate pairs --problems lcb/problems.jsonl \
        --candidates lcb/candidates.jsonl "${held_out[@]}" --leave-out "$part.json" --per-problem 96 \
        --out "arms/$name/pairs.jsonl" "$@"
    learn "$name" "$base" "$name"
}
learn() { # name, base, arm whose pairs are learnt, options of `train reward`
    local name=$1
    [ -e "arms/$name/reward-model/model.safetensors" ] || "$CODESCALER" train reward --base "$2" \
        --problems lcb/problems.jsonl --preferences "arms/$3/pairs.jsonl" --rate "${rate:-6e-4}" \
        --tokens-max 1280 --every-token 1 --out "arms/$name/reward-model" "${@:4}"
    judge "$name" scores lcb_val/judged/candidates.jsonl
    judge "$name" probes lcb_val/probes/candidates.jsonl
}
judge() { # name of the arm, name of the file, candidates, options of `score`
    # Exit code 1 says that some programs are too long for a score.
    [ -e "arms/$1/$2.jsonl" ] || "$CODESCALER" score --reward-model "arms/$1/reward-model" \
        --too-long trim-problem --problems lcb_val/problems.jsonl --candidates "$3" \
        --out "arms/$1/$2.jsonl" "${@:4}" || [ $? = 1 ]
}

policy policy-128x4 128 4
part all 1
part half 2
part quarter 4
arm whole    policy-128x4 all     --sources any --pairs-max 9000
arm aligned  policy-128x4 all     --sources any --pairs-max 11700 --unaligned-share 0
arm balanced policy-128x4 all     --pairs-max 9000 --per-program 16
arm quarter  policy-128x4 quarter --sources any --pairs-max 9000 --per-program 16
arm half     policy-128x4 half    --sources any --pairs-max 9000
arm rewrites policy-128x4 all     --sources any --pairs-max 6900 --augment all --augment-share 0.3
# The pairs of `whole` once more, by other objectives.
learn points policy-128x4 whole --objective points
learn list   policy-128x4 whole --objective list --group 8
learn margin policy-128x4 whole --margin 1
# The pairs of `balanced` once more: in another order, and programs in canonical form.
learn balanced-2  policy-128x4 balanced --seed 2
learn canonical   policy-128x4 balanced --programs canonical
learn canonical-2 policy-128x4 balanced --programs canonical --seed 2

# And by a decoder of 6.5 million parameters, the recipe's.
policy policy 256 6
rate=5e-4 learn large policy balanced

# What reading the problem is worth, to the whole recipe.
judge whole hidden lcb_val/judged/candidates.jsonl --hide-problem

names=(whole aligned balanced quarter half rewrites points list margin balanced-2 canonical canonical-2 large)
of() { for name in "${names[@]}"; do echo --scores "arms/$name/$1.jsonl"; done; }
"$CODESCALER" eval reward --problems lcb_val/problems.jsonl --candidates lcb_val/judged/candidates.jsonl \
    --skip-empty $(of scores) --scores arms/whole/hidden.jsonl --by difficulty --out arms/results.json
"$CODESCALER" eval reward "${probes[@]}" --skip-empty $(of probes) --by difficulty --out arms/probes.json
