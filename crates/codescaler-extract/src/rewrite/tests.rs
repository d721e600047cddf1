use super::*;
use crate::{check_syntax, tree_digest};

const PROGRAM: &str = "\
import sys

def solve(nums, k):
    \"\"\"Sum of the k largest.\"\"\"
    # sort first
    nums.sort(reverse = True)
    total = 0
    for i in range(k):  # take k
        total += nums[i]
    return total

class Tree:
    size = 0

    def grow(self, by = 1):
        self.size += by
        return [x for x in (by, f\"{by}\")]

n, k = map(int, sys.stdin.readline().split())
print(solve(list(range(n)), k))
";

fn rewritten(program: &str, how: Rewrite, kept: &str, seed: u64) -> Option<String> {
    rewrite(program, Language::Python, how, (kept, seed))
}

/// The program is rewritten to this.
#[track_caller]
fn check(how: Rewrite, program: &str, expected: Option<&str>) {
    assert_eq!(rewritten(program, how, "", 1).as_deref(), expected);
}

#[test]
fn every_rewrite_parses_differs_and_depends_on_the_seed_alone() {
    for how in Rewrite::ALL {
        assert_eq!(how.name().parse::<Rewrite>().unwrap(), how);
        for seed in 0..40 {
            let made = rewritten(PROGRAM, how, "", seed).unwrap();
            check_syntax(&made, Language::Python).unwrap();
            assert_ne!(made, PROGRAM);
            assert_eq!(rewritten(PROGRAM, how, "", seed).unwrap(), made);
        }
        check(how, "x = (", None);
        check(how, "", None);
    }
    assert!("uglify".parse::<Rewrite>().is_err());
    assert_eq!(rewrite("int x;", Language::C, Rewrite::LyingComment, ("", 1)), None);
}

#[test]
fn comments_and_format_leave_the_tree_as_it_was() {
    let digest = |program: &str| tree_digest(program, Language::Python).unwrap();
    for how in [Rewrite::StripComments, Rewrite::LyingComment, Rewrite::Reformat] {
        for seed in 0..40 {
            let made = rewritten(PROGRAM, how, "", seed).unwrap();
            assert_eq!(digest(&made), digest(PROGRAM), "{made}");
        }
    }
}

#[test]
fn comments_go() {
    let how = Rewrite::StripComments;
    check(how, "# a\nx = 1  # b\n\"# c\"\n", Some("x = 1\n\"# c\"\n"));
    check(how, "def f():\n    'doc'\n    return 1\n", Some("def f():\n    return 1\n"));
    check(how, "def f():\n    'doc'\n", None);
    check(how, "x = 1\n", None);
}

#[test]
fn spaces_and_indentation_change() {
    let how = Rewrite::Reformat;
    let program = "def f(a, b = 1):\n    if a == b:\n        # why\n        return (a,\n            b)\n    return f'{a = }'\n";
    let made = rewritten(program, how, "", 1).unwrap();
    let unit = &made[made.find('\n').unwrap() + 1..made.find("if").unwrap()];
    let expected = "def f(a,b=1):\n    if a==b:\n        # why\n        return (a,\n            b)\n    return f'{a = }'\n";
    let expected = expected.replace("        #", &format!("{unit}{unit}#"));
    let expected = expected.replace("        return", &format!("{unit}{unit}return"));
    let expected = expected
        .replace("    if", &format!("{unit}if"))
        .replace("    return f", &format!("{unit}return f"));
    assert_eq!(made, expected);
}

#[test]
fn names_change_where_nobody_asks_for_them() {
    let made = rewritten(PROGRAM, Rewrite::Rename, "def solve(nums, k):", 3).unwrap();
    // Asked for, defined, attributes, keywords and foreign names stay.
    for kept in ["def solve(nums, k):", "class Tree:", "def grow(", "sys.stdin", "reverse ="] {
        assert!(made.contains(kept), "{kept} in {made}");
    }
    assert!(made.contains(".size +="), "{made}");
    for gone in ["total", " by", " i ", "n, k = map"] {
        assert!(!made.contains(gone), "{gone} in {made}");
    }
    check(Rewrite::Rename, "x = eval('x')\n", None);
    check(Rewrite::Rename, "x = 1\nprint(f'{x=}')\n", None);
    check(Rewrite::Rename, "print(1)\n", None);
    check(Rewrite::Rename, "def f(a):\n    return a\nf(a=1)\n", None);
}

#[test]
fn dead_code_stays_away_from_programs_that_ask_for_names() {
    check(Rewrite::DeadCode, "from __future__ import annotations\nx = 1\n", None);
    check(Rewrite::DeadCode, "print(locals())\n", None);
}
