use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// Reads `text` as a file of `T` and shows its records, or the error.
#[track_caller]
fn check<T: Record + fmt::Debug>(text: impl AsRef<[u8]>, expect: Expect) {
    expect.assert_eq(&match read::<T>(text.as_ref()) {
        Ok(records) => format!("{} records", records.len()),
        Err(error) => error.to_string(),
    });
}

fn read<T: Record>(bytes: &[u8]) -> Result<Vec<T>, RecordError> {
    Reader::new(bytes, "f.jsonl")?.collect()
}

fn write<T: Record>(header: &Header, records: &[T]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.into_inner().unwrap()
}

const LABELS: &str = "{\"format\":\"codescaler/labels\",\"version\":1}\n";
const LABEL: &str = "{\"problem\":\"a\",\"index\":3,\"passed\":true,\"by\":\"x\"}\n";

#[test]
fn whole_files_are_read() {
    check::<Label>(LABELS, expect!["0 records"]);
    check::<Label>(format!("{LABELS}{LABEL}\n{LABEL}"), expect!["2 records"]);
    check::<Label>(format!("{LABELS}{}", LABEL.trim_end()), expect!["1 records"]);
}

#[test]
fn bad_files_are_refused_with_their_place() {
    check::<Label>(
        "",
        expect![[
            r#"f.jsonl, line 1: no header: the first line must be {"format":"codescaler/labels","version":1}"#
        ]],
    );
    check::<Label>(
        LABEL,
        expect![[
            r#"f.jsonl, line 1: no header: the first line must be {"format":"codescaler/labels","version":1}"#
        ]],
    );
    check::<Problem>(
        LABELS,
        expect![[
            r#"f.jsonl, line 1: this is a file of "codescaler/labels", not of "codescaler/problems""#
        ]],
    );
    check::<Label>(
        "{\"format\":\"codescaler/labels\",\"version\":9}\n",
        expect!["f.jsonl, line 1: format version 9 is newer than this program reads (at most 1)"],
    );
    check::<Label>(
        format!("{LABELS}{}", &LABEL[..20]),
        expect![
            "f.jsonl, line 2: the line is cut off: its writer was stopped; run it again to resume, or delete the line"
        ],
    );
    check::<Label>(
        format!("{LABELS}{}\n", &LABEL[..20]),
        expect!["f.jsonl, line 2: EOF while parsing a string, at column 20"],
    );
    check::<Label>(
        format!("{LABELS}{LABEL}{{\"problem\":\"a\",\"index\":\"3\"}}\n"),
        expect![[
            r#"f.jsonl, line 3: key "index": invalid type: string "3", expected u32, at column 26"#
        ]],
    );
    check::<Label>(
        format!("{LABELS}{{\"index\":3}}\n"),
        expect!["f.jsonl, line 2: missing field `problem`, at column 11"],
    );
    check::<Label>(
        [LABELS.as_bytes(), b"{\"problem\":\"\xff\"}\n"].concat(),
        expect!["f.jsonl, line 2: not UTF-8 at byte 12 of the line"],
    );
    check::<Scored>(
        "{\"format\":\"codescaler/scores\",\"version\":1}\n{\"problem\":\"a\",\"index\":0,\"score\":1e60}\n",
        expect![[r#"f.jsonl, line 2: key "score": number out of range, at column 37"#]],
    );
    check::<Scored>(
        "{\"format\":\"codescaler/scores\",\"version\":1}\n{\"problem\":\"a\",\"index\":0,\"score\":NaN}\n",
        expect![[r#"f.jsonl, line 2: key "score": expected value, at column 34"#]],
    );
    check::<Problem>(
        r#"{"format":"codescaler/problems","version":1}
{"id":"a","statement":"","language":"python","entry":{"kind":"stdio"},"tests":{"visible":[{"stdin":"1"}]}}
"#,
        expect![[
            r#"f.jsonl, line 2: key "tests.visible[0]": a test has stdin and stdout, or args and expected, or code, at column 104"#
        ]],
    );
}

#[test]
fn the_documented_lines_round_trip_byte_for_byte() {
    let problems = concat!(
        r#"{"format":"codescaler/problems","version":1,"provenance":{"by":"hand"}}"#,
        "\n",
        r#"{"id":"abc364_f","statement":"…","starter":"","language":"python","entry":{"kind":"stdio"},"tests":{"visible":[{"stdin":"4 3\n…","stdout":"22\n"},{"args":[1,{"$tuple":[2.0]}],"expected":null,"check":{"float":{"abs":1e-6,"rel":0.0}}},{"code":"assert f() == 1"}],"hidden":[]},"limits":{"cpu_ms_max":10000,"memory_mib_max":1024},"meta":{"source":"livecodebench","date":"2024-07-27","difficulty":"hard","rating":1500},"zebra":[2.5],"ape":{"x":null}}"#,
        "\n"
    );
    let mut reader: Reader<_, Problem> = Reader::new(problems.as_bytes(), "f").unwrap();
    let records: Vec<Problem> = reader.by_ref().collect::<Result<_, _>>().unwrap();
    assert_eq!(String::from_utf8(write(reader.header(), &records)).unwrap(), problems);

    let candidates = concat!(
        r#"{"format":"codescaler/candidates","version":1}"#,
        "\n",
        r#"{"problem":"abc364_f","index":3,"completion":"Here is…```python…","program":null,"language":"python","source":{"name":"GPT-4O-2024-08-06","temperature":0.2},"logprob_sum":null,"tokens":null}"#,
        "\n"
    );
    let records: Vec<Candidate> = read(candidates.as_bytes()).unwrap();
    let header = Header::new::<Candidate>(Extra::new());
    assert_eq!(String::from_utf8(write(&header, &records)).unwrap(), candidates);
}

fn any_label() -> impl Strategy<Value = Label> {
    (
        ".*",
        any::<u32>(),
        any::<bool>(),
        proptest::option::of(any::<f64>().prop_filter("finite", |f| f.is_finite())),
        "[k-z]*",
    )
        .prop_map(|(problem, index, passed, rate, key)| Label {
            problem,
            index,
            passed,
            by: "somebody".to_owned(),
            rate,
            extra: [(format!("x{key}"), serde_json::json!([index, {"a": passed}]))]
                .into_iter()
                .collect(),
        })
}

proptest! {
    #[test]
    fn what_we_write_we_read_back(labels in proptest::collection::vec(any_label(), 0..6)) {
        let bytes = write(&Header::new::<Label>(Extra::new()), &labels);
        prop_assert_eq!(&read::<Label>(&bytes).unwrap(), &labels);
    }

    #[test]
    fn a_cut_file_gives_its_whole_lines(
        labels in proptest::collection::vec(any_label(), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = write(&Header::new::<Label>(Extra::new()), &labels);
        let cut = cut.index(bytes.len() + 1);
        let scan = scan::<Label>(&bytes[..cut], "f").unwrap();
        let whole = bytes[..cut].iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        prop_assert_eq!(scan.whole_bytes, whole as u64);
        prop_assert_eq!(scan.header.is_some(), whole > 0);
        prop_assert_eq!(&scan.records[..], &labels[..scan.records.len()]);
        let n_lines = bytes[..cut].iter().filter(|&&b| b == b'\n').count();
        prop_assert_eq!(scan.records.len(), n_lines.saturating_sub(1));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read::<Problem>(&[LABELS.replace("labels", "problems").as_bytes(), &bytes].concat());
    }
}
