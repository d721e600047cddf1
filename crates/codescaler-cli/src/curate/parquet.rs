//! Rows for other trainers as Parquet, uncompressed: texts that repeat stand once per page.

use std::{fs::File, io, path::Path, sync::Arc};

use anyhow::Context as _;
use parquet::{
    data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};
use serde_json::Value as Json;

use crate::failure::Failure;

/// Rows that are laid out together.
const ROW_GROUP: usize = 10_000;

/// What a column holds.
enum Kind {
    /// Messages of a conversation, each with role and content.
    Messages,
    Text,
    TextOrNone,
    Integer,
    NumberOrNone,
    /// Named columns of their own.
    Group(Vec<(String, Kind)>),
}

/// The kind of a column of [`codescaler::curate::export::row`] or [`codescaler::curate::verl::row`],
/// in which `value` stands.
fn kind(name: &str, value: &Json) -> Kind {
    match name {
        "license" | "chosen_rewrite" | "rejected_rewrite" => Kind::TextOrNone,
        "chosen_pass_rate" | "rejected_pass_rate" => Kind::NumberOrNone,
        "chosen_index" | "rejected_index" | "index" => Kind::Integer,
        _ => match value {
            Json::Array(_) => Kind::Messages,
            Json::Object(fields) => Kind::Group(kinds(fields)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Kind::Text,
        },
    }
}

fn kinds(fields: &serde_json::Map<String, Json>) -> Vec<(String, Kind)> {
    fields.iter().map(|(name, value)| (name.clone(), kind(name, value))).collect()
}

fn schema(columns: &[(String, Kind)]) -> String {
    columns.iter().map(|(name, kind)| kind.schema(name)).collect()
}

impl Kind {
    /// The column in the language of Parquet's schemas.
    fn schema(&self, name: &str) -> String {
        match self {
            Kind::Messages => format!(
                "required group {name} (LIST) {{ repeated group list {{ required group element {{ \
                 required binary role (STRING); required binary content (STRING); }} }} }}"
            ),
            Kind::Text => format!("required binary {name} (STRING);"),
            Kind::TextOrNone => format!("optional binary {name} (STRING);"),
            Kind::Integer => format!("required int64 {name};"),
            Kind::NumberOrNone => format!("optional double {name};"),
            Kind::Group(columns) => format!("required group {name} {{ {} }}", schema(columns)),
        }
    }
}

/// Writes rows that all have the columns of the first one. What stands at `path` is overwritten.
pub(super) fn write(path: &Path, rows: &[Json]) -> Result<(), Failure> {
    let written = File::create(path).map_err(ParquetError::from).and_then(|file| {
        let columns = rows.first().and_then(Json::as_object).map(kinds).unwrap_or_default();
        let fields = schema(&columns);
        let schema = Arc::new(parse_message_type(&format!("message rows {{ {fields} }}"))?);
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(&file, schema, properties)?;
        for rows in rows.chunks(ROW_GROUP) {
            let mut group = writer.next_row_group()?;
            write_columns(&mut group, &columns, &rows.iter().collect::<Vec<_>>())?;
            group.close()?;
        }
        writer.close()?;
        Ok(file.sync_data()?)
    });
    written.with_context(|| format!("cannot write {}", path.display())).map_err(Failure::Fault)
}

fn write_columns<W: io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    columns: &[(String, Kind)],
    rows: &[&Json],
) -> Result<(), ParquetError> {
    columns.iter().try_for_each(|(name, kind)| {
        let values: Vec<&Json> = rows.iter().map(|row| &row[name]).collect();
        write_column(group, kind, &values)
    })
}

fn write_column<W: io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    kind: &Kind,
    values: &[&Json],
) -> Result<(), ParquetError> {
    let present = || values.iter().filter(|value| !value.is_null());
    // Whether each value is there.
    let levels = || values.iter().map(|value| i16::from(!value.is_null())).collect::<Vec<_>>();
    match kind {
        Kind::Messages => {
            let messages = || values.iter().flat_map(|value| value.as_array()).flatten();
            // Whether a message is there, and whether it goes on in the row of the one before; an
            // empty list is one message that is not there.
            let lists = values.iter().flat_map(|value| value.as_array());
            let levels = lists.flat_map(|list| {
                let there = i16::from(!list.is_empty());
                (0..list.len().max(1)).map(move |at| (there, i16::from(at > 0)))
            });
            let (all, repeats): (Vec<i16>, Vec<i16>) = levels.unzip();
            for part in ["role", "content"] {
                let texts: Vec<ByteArray> =
                    messages().map(|message| text(&message[part])).collect();
                column(group, |column| {
                    let typed = column.typed::<ByteArrayType>();
                    typed.write_batch(&texts, Some(&all), Some(&repeats))
                })?;
            }
            Ok(())
        }
        Kind::Text => {
            let texts: Vec<ByteArray> = values.iter().map(|value| text(value)).collect();
            column(group, |column| column.typed::<ByteArrayType>().write_batch(&texts, None, None))
        }
        Kind::TextOrNone => {
            let texts: Vec<ByteArray> = present().map(|value| text(value)).collect();
            column(group, |column| {
                column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels()), None)
            })
        }
        Kind::Integer => {
            let numbers: Vec<i64> =
                values.iter().map(|value| value.as_i64().unwrap_or_default()).collect();
            column(group, |column| column.typed::<Int64Type>().write_batch(&numbers, None, None))
        }
        Kind::NumberOrNone => {
            let numbers: Vec<f64> =
                present().map(|value| value.as_f64().unwrap_or_default()).collect();
            column(group, |column| {
                column.typed::<DoubleType>().write_batch(&numbers, Some(&levels()), None)
            })
        }
        Kind::Group(columns) => write_columns(group, columns, values),
    }
}

fn text(value: &Json) -> ByteArray {
    ByteArray::from(value.as_str().unwrap_or_default())
}

/// Fills the next column.
fn column<W: io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    write: impl FnOnce(&mut SerializedColumnWriter<'_>) -> Result<usize, ParquetError>,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(|| {
        ParquetError::General("the schema has fewer columns than the rows".to_owned())
    })?;
    write(&mut column)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_come_back() {
        let row = |n: usize| {
            let message = |role: &str| json!({"role": role, "content": format!("ä{n}")});
            json!({
                "prompt": vec![message("user"); n], "chosen": [message("assistant")],
                "problem_id": format!("p{n}"), "license": (n > 1).then_some("MIT"),
                "chosen_index": n, "chosen_pass_rate": (n == 1).then_some(0.5),
                "extra_info": {"split": "train", "index": n},
            })
        };
        let rows: Vec<Json> = (0..3).map(row).collect();
        let path = std::env::temp_dir().join(format!("codescaler-{}.parquet", std::process::id()));
        write(&path, &rows).unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let read: Vec<String> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        expect_test::expect![[r#"
            {prompt: [], chosen: [{role: "assistant", content: "ä0"}], problem_id: "p0", license: null, chosen_index: 0, chosen_pass_rate: null, extra_info: {split: "train", index: 0}}
            {prompt: [{role: "user", content: "ä1"}], chosen: [{role: "assistant", content: "ä1"}], problem_id: "p1", license: null, chosen_index: 1, chosen_pass_rate: 0.5, extra_info: {split: "train", index: 1}}
            {prompt: [{role: "user", content: "ä2"}, {role: "user", content: "ä2"}], chosen: [{role: "assistant", content: "ä2"}], problem_id: "p2", license: "MIT", chosen_index: 2, chosen_pass_rate: null, extra_info: {split: "train", index: 2}}"#]].assert_eq(&read.join("\n"));
    }
}
