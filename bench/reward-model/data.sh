# What is made before anything is trained, for the scripts beside it: they set `data`, the files that
# are imported, and source this in the folder that they write into. Stages that are done are passed
# over, a stopped one goes on where it was.
: "${CODESCALER:=codescaler}"

import() { [ -e "$2/problems.jsonl" ] || "$CODESCALER" import "$1" "$data/$3.jsonl.zst" --out "$2"; }
import livecodebench-candidates lcb        livecodebench_train
import leetcode-candidates      leetcode   leetcode_train
import mbpp-candidates          mbpp       mbpp_candidates
import apps-candidates          apps       apps_candidates
import condefects               condefects condefects
import livecodebench-candidates lcb_val    livecodebench_validation
import humaneval-candidates     humaneval  humaneval_candidates
import humaneval-x-candidates   humanevalx humanevalx_candidates
import evalplus                 mbppplus   mbppplus
leave_out=(--leave-out "$data/judgebench_overlap.json")

# 1. Tokenizer, and what policies read: everything of the training split, and a corpus of Python.
texts=(--data lcb --data leetcode --data mbpp --data apps --corpus "$data/corpus_python.jsonl.zst"
    --held-out lcb_val --held-out humaneval --held-out mbppplus "${leave_out[@]}")
[ -e tokenizer/tokenizer.json ] ||
    "$CODESCALER" train tokenizer "${texts[@]}" --vocab 8192 --out tokenizer
policy() { # name, width, layers
    [ -e "$1/model.safetensors" ] || "$CODESCALER" train policy --base tokenizer "${texts[@]}" \
        --width "$2" --layers "$3" --rate 2e-3 --tokens-per-step 8192 --tokens-max 1024 --out "$1"
}

# 2. Bugs of one token, found wrong by running them.
against=(--against lcb_val --against humaneval --against humanevalx --against mbppplus "${leave_out[@]}")
bugs() { # folder, suite, per program, per problem
    local of=(--problems "$1/problems.jsonl")
    [ -e "$1/bugs.jsonl" ] || "$CODESCALER" curate bugs "${of[@]}" --candidates "$1/candidates.jsonl" \
        "${against[@]}" --per-program "$3" --per-problem "$4" --out "$1/bugs.jsonl"
    [ -e "$1/bugs.run.jsonl" ] || "$CODESCALER" exec "${of[@]}" --candidates "$1/bugs.jsonl" \
        --suite "$2" --stop-early --cpu-ms-max 1000 --out "$1/bugs.run.jsonl"
}
bugs lcb visible 1 12
bugs mbpp hidden 2 12

# 3. Preferences. Of any source first: what a program that solves problems looks like. Then balanced,
# so that neither author nor length tells which one is right.
pairs() { # name, folder of the candidates, share of rewrites, options
    local name=$1 folder=$2 share=$3
    shift 3
    [ -e "$name.pairs.jsonl" ] || "$CODESCALER" curate pairs --candidates "$folder/candidates.jsonl" \
        "${against[@]}" --augment all --augment-share "$share" --out "$name.pairs.jsonl" "$@"
}
pairs lcb_any    lcb        0.3 --problems lcb/problems.jsonl --sources any
pairs lcb        lcb        0.2 --problems lcb/problems.jsonl
pairs lcb_bugs   lcb        0.1 --problems lcb/problems.jsonl --candidates lcb/bugs.jsonl \
    --executions lcb/bugs.run.jsonl --per-problem 40 --pairs-max 10000
pairs leetcode   leetcode   0.2 --problems leetcode/problems.jsonl
pairs mbpp       mbpp       0.2 --problems mbpp/problems.jsonl --candidates mbpp/bugs.jsonl \
    --executions mbpp/bugs.run.jsonl
pairs apps       apps       0.2 --problems apps/problems.jsonl
pairs condefects condefects 0.2 --problems lcb/problems.jsonl --problems condefects/problems.jsonl \
    --sources any --per-problem 12 --per-program 4
