//! MBPP, whole and sanitized, and programs for it and for its typed variants from MultiPL-E.

use serde::Deserialize;

use super::{
    IMPORTS,
    asserts::{test_of_assert, tests_of_check},
    python_problem,
    row::{Out, RowError},
    with_code_before,
    written::{Flag, Group, Written},
};
use crate::{
    language::Language,
    problem::{Entry, Meta, Problem, Test, Tests},
};

/// A row of MBPP. The sanitized file says `prompt` for `text`.
#[derive(Deserialize)]
pub(super) struct Published {
    task_id: u64,
    #[serde(alias = "prompt")]
    text: String,
    code: String,
    #[serde(default)]
    test_setup_code: String,
    #[serde(default)]
    test_imports: Vec<String>,
    test_list: Vec<String>,
    #[serde(default)]
    challenge_test_list: Vec<String>,
}

pub(super) fn published(row: Published, out: &mut Out<'_>) -> Result<(), RowError> {
    let id = format!("mbpp/{}", row.task_id);
    let setup = [row.test_imports.join("\n"), row.test_setup_code].join("\n");
    let mut problem = problem(&id, &row.text, &row.test_list, setup.trim());
    let more: Vec<Test> = {
        let function = function(&problem);
        let tests = row.challenge_test_list.iter();
        tests.map(|assert| test_of_assert(assert, function, setup.trim())).collect()
    };
    problem.tests.hidden.extend(more);
    out.problem(problem)?;
    Group::new(&id, Language::Python, "mbpp").authored(out, "reference", row.code, true)
}

/// A problem of the family. MBPP shows its asserts, and they are what decides: they are visible
/// *and* hidden.
pub(super) fn problem(id: &str, text: &str, asserts: &[String], setup: &str) -> Problem {
    let function = asserts.iter().find_map(|assert| called(assert)).unwrap_or_default();
    let tests: Vec<Test> =
        asserts.iter().map(|assert| test_of_assert(assert, function, setup)).collect();
    let entry = match function {
        "" => Entry::Script,
        name => Entry::Function { name: name.to_owned() },
    };
    let statement = format!(
        "{}\n\nYour code should pass these tests:\n\n{}\n",
        text.trim(),
        asserts.iter().map(|assert| assert.trim()).collect::<Vec<_>>().join("\n")
    );
    let meta = Meta {
        source: Some("mbpp".to_owned()),
        license: Some("CC-BY-4.0".to_owned()),
        split: Some(split_of(id).to_owned()),
        ..Meta::default()
    };
    let tests = Tests { visible: tests.clone(), hidden: tests };
    with_code_before(python_problem(id.to_owned(), statement, entry, tests, meta), IMPORTS)
}

/// The name of the problem's function; empty where there is none.
pub(super) fn function(problem: &Problem) -> &str {
    match &problem.entry {
        Entry::Function { name } => name,
        Entry::Stdio | Entry::Method { .. } | Entry::Script => "",
    }
}

/// The function that an assert tests: the first it calls that is not Python's own.
fn called(assert: &str) -> Option<&str> {
    const OWN: [&str; 12] = [
        "assert", "set", "tuple", "list", "sorted", "int", "str", "float", "len", "abs", "round",
        "isclose",
    ];
    assert.match_indices('(').find_map(|(at, _)| {
        let head = assert[..at].trim_end();
        let start = head.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |b| b + 1);
        let name = &head[start..];
        (!name.is_empty() && !OWN.contains(&name)).then_some(name)
    })
}

/// Problems that EvalPlus extends (MBPP+ v0.2) are for validation, the others for training.
fn split_of(id: &str) -> &'static str {
    let number = id.rsplit('/').next().and_then(|number| number.parse().ok());
    match number.map(|number| EXTENDED.binary_search(&number)) {
        Some(Ok(_)) => "validation",
        Some(Err(_)) | None => "train",
    }
}

/// Numbers of the problems in MBPP+ v0.2.
#[rustfmt::skip]
const EXTENDED: [u16; 378] = [
    2, 3, 4, 6, 7, 8, 9, 11, 12, 14, 16, 17, 18, 19, 20, 56, 57, 58, 59,
    61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 74, 75, 77, 79, 80, 82, 84,
    85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103,
    104, 105, 106, 108, 109, 111, 113, 116, 118, 119, 120, 123, 124, 125, 126, 127, 128, 129, 130,
    131, 132, 133, 135, 137, 138, 139, 140, 141, 142, 145, 160, 161, 162, 165, 166, 167, 168, 170,
    171, 172, 222, 223, 224, 226, 227, 230, 232, 233, 234, 235, 237, 238, 239, 240, 242, 244, 245,
    247, 250, 251, 252, 253, 255, 256, 257, 259, 260, 261, 262, 264, 265, 266, 267, 268, 269, 270,
    271, 272, 273, 274, 276, 277, 278, 279, 280, 281, 282, 283, 284, 285, 286, 287, 290, 292, 293,
    294, 296, 297, 299, 300, 301, 305, 306, 308, 309, 310, 311, 312, 388, 389, 390, 391, 392, 394,
    395, 397, 398, 404, 405, 406, 409, 410, 412, 413, 414, 415, 418, 419, 420, 421, 422, 424, 425,
    426, 427, 428, 429, 430, 432, 433, 435, 436, 437, 439, 440, 441, 445, 446, 447, 448, 450, 451,
    453, 454, 455, 456, 457, 458, 459, 460, 462, 463, 465, 468, 470, 471, 472, 473, 474, 475, 476,
    477, 478, 479, 554, 555, 556, 557, 558, 559, 560, 562, 563, 564, 565, 566, 567, 568, 569, 572,
    573, 576, 577, 578, 579, 580, 581, 583, 585, 586, 587, 588, 589, 590, 591, 592, 593, 594, 596,
    597, 598, 599, 600, 602, 603, 604, 605, 606, 607, 608, 610, 611, 612, 614, 615, 616, 618, 619,
    620, 622, 623, 624, 626, 628, 629, 630, 631, 632, 633, 635, 637, 638, 639, 641, 643, 644, 720,
    721, 722, 723, 724, 725, 726, 728, 730, 731, 732, 733, 734, 735, 736, 737, 739, 740, 741, 742,
    743, 744, 745, 748, 749, 750, 751, 752, 753, 754, 755, 757, 758, 759, 760, 762, 763, 764, 765,
    766, 767, 769, 770, 771, 772, 773, 775, 777, 778, 780, 781, 782, 784, 785, 786, 787, 788, 790,
    791, 792, 793, 794, 796, 797, 798, 799, 800, 801, 803, 804, 805, 806, 807, 808, 809,
];

/// A row of the collection: a problem, or its variant, and programs of many writers.
#[derive(Deserialize)]
pub(super) struct Collected {
    id: String,
    variant: Variant,
    statement: String,
    #[serde(default)]
    tests: Vec<String>,
    #[serde(default)]
    setup: String,
    entry_point: Option<String>,
    test: Option<String>,
    plus: Flag,
    cands: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Variant {
    Original,
    /// A typed signature with the statement as docstring; the number follows a `B`.
    #[serde(rename = "multipl-e")]
    MultiplE,
}

pub(super) fn collected(row: Collected, out: &mut Out<'_>) -> Result<(), RowError> {
    let problem = match row.variant {
        Variant::Original => {
            problem(&format!("mbpp/{}", row.id), &row.statement, &row.tests, &row.setup)
        }
        Variant::MultiplE => {
            let missing = |key| RowError::at(key, "missing in a row of variant multipl-e");
            let name = row.entry_point.ok_or_else(|| missing("entry_point"))?;
            let hidden = tests_of_check(&row.test.ok_or_else(|| missing("test"))?, &name, &[]);
            let number = row.id.trim_start_matches('B');
            let mut problem = problem(&format!("mbpp-multipl-e/{number}"), "", &[], "");
            problem.meta.extra.insert("variant_of".to_owned(), format!("mbpp/{number}").into());
            Problem {
                starter: row.statement.clone(),
                statement: row.statement,
                entry: Entry::Function { name },
                tests: Tests { visible: Vec::new(), hidden },
                ..problem
            }
        }
    };
    let Flag(plus) = row.plus;
    if plus != (problem.meta.split.as_deref() == Some("validation")) {
        return Err(RowError::at("plus", "contradicts the list of extended problems"));
    }
    let id = problem.id.clone();
    out.problem(problem)?;
    let mut group = Group::new(&id, Language::Python, "mbpp");
    row.cands.into_iter().try_for_each(|written| group.written(out, written, |code| code))
}
