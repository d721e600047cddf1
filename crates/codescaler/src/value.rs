//! Plain values that cross the border between us and a program: exact built-in types only.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeMap as _,
};
use serde_json::Value as Json;

pub mod literal;

/// A value of a built-in type.
///
/// In JSON, what JSON can say stands as itself; the rest is an object with one key that starts
/// with `$`: `{"$tuple":[…]}`, `{"$set":[…]}`, `{"$frozenset":[…]}`, `{"$bytes":"hex"}`,
/// `{"$int":"digits"}` beyond 64 bits, `{"$float":"nan"|"inf"|"-inf"}`, `{"$complex":[re,im]}`,
/// and `{"$dict":[[key,value],…]}` for dictionaries whose keys are not all plain strings.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`, `null`.
    Null,
    /// A truth value; never equal to a number.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// A larger integer: canonical decimal digits, `-` in front when negative.
    BigInt(String),
    /// A number with a fraction; NaN and infinities included.
    Float(f64),
    /// A complex number.
    Complex(f64, f64),
    /// Text.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A set, in any order, without repetition.
    Set(Vec<Value>),
    /// An immutable set.
    FrozenSet(Vec<Value>),
    /// A dictionary, in insertion order.
    Dict(Vec<(Value, Value)>),
}

/// Nesting beyond this is refused in both directions.
pub const VALUE_DEPTH_MAX: usize = 64;

impl Value {
    /// Whether Python takes it as a member of a set or a key: nothing in it can change.
    pub fn is_hashable(&self) -> bool {
        match self {
            Value::List(_) | Value::Set(_) | Value::Dict(_) => false,
            Value::Tuple(items) | Value::FrozenSet(items) => items.iter().all(Value::is_hashable),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::BigInt(_)
            | Value::Float(_)
            | Value::Complex(..)
            | Value::Str(_)
            | Value::Bytes(_) => true,
        }
    }

    /// An integer from its decimal digits: canonical, 64 bits where it fits. `None` when the text
    /// is no integer.
    pub fn int_from_digits(text: &str) -> Option<Value> {
        if let Ok(small) = text.parse::<i64>() {
            return Some(Value::Int(small));
        }
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", text.strip_prefix('+').unwrap_or(text)),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = digits.trim_start_matches('0');
        Some(match format!("{sign}{digits}").parse::<i64>() {
            Ok(small) => Value::Int(small),
            Err(_) if digits.is_empty() => Value::Int(0),
            Err(_) => Value::BigInt(format!("{sign}{digits}")),
        })
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::Str(text) = self { Some(text) } else { None }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Value::List(items) = self { Some(items) } else { None }
    }

    /// What a dictionary has under a key that is text.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Value::Dict(entries) = self else { return None };
        entries.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// The value that `json` stands for.
    ///
    /// # Errors
    /// An unknown `$` object, a malformed one, or nesting beyond [`VALUE_DEPTH_MAX`].
    pub fn from_json(json: &Json) -> Result<Value, String> {
        from_json(json, VALUE_DEPTH_MAX)
    }

    /// The JSON that stands for the value.
    pub fn to_json(&self) -> Json {
        let tagged =
            |tag: &str, json: Json| Json::Object([(tag.to_owned(), json)].into_iter().collect());
        let list = |items: &[Value]| Json::Array(items.iter().map(Value::to_json).collect());
        match self {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(i) => Json::from(*i),
            Value::BigInt(digits) => tagged("$int", Json::from(digits.as_str())),
            Value::Float(f) if f.is_finite() => Json::from(*f),
            Value::Float(f) => tagged("$float", Json::from(special_float(*f))),
            Value::Complex(re, im) => tagged(
                "$complex",
                Json::Array(vec![Value::Float(*re).to_json(), Value::Float(*im).to_json()]),
            ),
            Value::Str(text) => Json::from(text.as_str()),
            Value::Bytes(bytes) => tagged("$bytes", Json::from(hex(bytes))),
            Value::List(items) => list(items),
            Value::Tuple(items) => tagged("$tuple", list(items)),
            Value::Set(items) => tagged("$set", list(items)),
            Value::FrozenSet(items) => tagged("$frozenset", list(items)),
            Value::Dict(entries) => match plain_object(entries) {
                Some(object) => Json::Object(object),
                None => tagged(
                    "$dict",
                    Json::Array(
                        entries
                            .iter()
                            .map(|(key, value)| Json::Array(vec![key.to_json(), value.to_json()]))
                            .collect(),
                    ),
                ),
            },
        }
    }
}

impl Value {
    /// The value in JSON as the world writes it, where it can be said: a tuple is a list there.
    /// `None` for sets, bytes, integers beyond 64 bits, numbers that are not finite, and
    /// dictionaries whose keys are not all text.
    pub fn to_plain_json(&self) -> Option<Json> {
        let list = |items: &[Value]| {
            items.iter().map(Value::to_plain_json).collect::<Option<Vec<_>>>().map(Json::Array)
        };
        match self {
            Value::Null => Some(Json::Null),
            Value::Bool(b) => Some(Json::Bool(*b)),
            Value::Int(i) => Some(Json::from(*i)),
            Value::Float(f) => f.is_finite().then(|| Json::from(*f)),
            Value::Str(text) => Some(Json::from(text.as_str())),
            Value::List(items) | Value::Tuple(items) => list(items),
            Value::Dict(entries) => entries
                .iter()
                .map(|(key, value)| Some((key.as_str()?.to_owned(), value.to_plain_json()?)))
                .collect::<Option<serde_json::Map<_, _>>>()
                .map(Json::Object),
            Value::BigInt(_)
            | Value::Complex(..)
            | Value::Bytes(_)
            | Value::Set(_)
            | Value::FrozenSet(_) => None,
        }
    }
}

/// The entries as a JSON object, if their keys are distinct strings that cannot be taken for one
/// of our tags.
fn plain_object(entries: &[(Value, Value)]) -> Option<serde_json::Map<String, Json>> {
    let mut object = serde_json::Map::new();
    for (key, value) in entries {
        let Value::Str(key) = key else { return None };
        if key.starts_with('$') || object.insert(key.clone(), value.to_json()).is_some() {
            return None;
        }
    }
    Some(object)
}

fn special_float(f: f64) -> &'static str {
    if f.is_nan() {
        "nan"
    } else if f > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

fn from_json(json: &Json, depth: usize) -> Result<Value, String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("a value is nested deeper than {VALUE_DEPTH_MAX}"));
    };
    let list =
        |items: &[Json]| items.iter().map(|item| from_json(item, depth)).collect::<Result<_, _>>();
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(small), _, _) => Value::Int(small),
            (None, Some(large), _) => Value::BigInt(large.to_string()),
            (None, None, Some(float)) => Value::Float(float),
            (None, None, None) => return Err(format!("number {number} is out of range")),
        },
        Json::String(text) => Value::Str(text.clone()),
        Json::Array(items) => Value::List(list(items)?),
        Json::Object(object) => {
            if let Some((tag, inner)) = object.iter().next().filter(|(key, _)| key.starts_with('$'))
            {
                if object.len() == 1 {
                    return tagged_from_json(tag, inner, depth);
                }
                return Err(format!("an object with key {tag:?} has other keys too"));
            }
            let entries = object
                .iter()
                .map(|(key, value)| Ok((Value::Str(key.clone()), from_json(value, depth)?)));
            Value::Dict(entries.collect::<Result<_, String>>()?)
        }
    })
}

fn tagged_from_json(tag: &str, inner: &Json, depth: usize) -> Result<Value, String> {
    let bad = || format!("malformed {tag:?} value");
    let list = || -> Result<Vec<Value>, String> {
        inner.as_array().ok_or_else(bad)?.iter().map(|item| from_json(item, depth)).collect()
    };
    let text = || inner.as_str().ok_or_else(bad);
    Ok(match tag {
        "$tuple" => Value::Tuple(list()?),
        "$set" => Value::Set(list()?),
        "$frozenset" => Value::FrozenSet(list()?),
        "$bytes" => Value::Bytes(unhex(text()?).ok_or_else(bad)?),
        "$int" => Value::int_from_digits(text()?).ok_or_else(bad)?,
        "$float" => Value::Float(match text()? {
            "nan" => f64::NAN,
            "inf" => f64::INFINITY,
            "-inf" => f64::NEG_INFINITY,
            _ => return Err(bad()),
        }),
        "$complex" => match list()?.as_slice() {
            [Value::Float(re), Value::Float(im)] => Value::Complex(*re, *im),
            _ => return Err(bad()),
        },
        "$dict" => {
            let entries = list()?.into_iter().map(|entry| {
                let Value::List(pair) = entry else { return Err(bad()) };
                <[Value; 2]>::try_from(pair).map_err(|_| bad())
            });
            Value::Dict(
                entries
                    .map(|pair| pair.map(|[key, value]| (key, value)))
                    .collect::<Result<_, _>>()?,
            )
        }
        _ => return Err(format!("unknown value tag {tag:?}")),
    })
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(b) => serializer.serialize_bool(*b),
            Value::Int(i) => serializer.serialize_i64(*i),
            Value::Float(f) if f.is_finite() => serializer.serialize_f64(*f),
            Value::Str(text) => serializer.serialize_str(text),
            Value::List(items) => serializer.collect_seq(items),
            Value::Tuple(items) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("$tuple", items)?;
                map.end()
            }
            Value::BigInt(_)
            | Value::Float(_)
            | Value::Complex(..)
            | Value::Bytes(_)
            | Value::Set(_)
            | Value::FrozenSet(_)
            | Value::Dict(_) => self.to_json().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        Value::from_json(&Json::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &Value, json: &str) {
        assert_eq!(serde_json::to_string(value).unwrap(), json);
        let back: Value = serde_json::from_str(json).unwrap();
        assert_eq!(format!("{back:?}"), format!("{value:?}"));
    }

    #[test]
    fn json_round_trips() {
        check(&Value::Null, "null");
        check(&Value::Float(1.0), "1.0");
        check(&Value::Float(f64::NAN), r#"{"$float":"nan"}"#);
        check(&Value::Int(i64::MIN), "-9223372036854775808");
        check(&Value::BigInt("18446744073709551616".into()), r#"{"$int":"18446744073709551616"}"#);
        check(&Value::Tuple(vec![Value::Int(1), Value::Str("a".into())]), r#"{"$tuple":[1,"a"]}"#);
        check(&Value::Bytes(vec![0, 255]), r#"{"$bytes":"00ff"}"#);
        check(&Value::Complex(0.0, f64::INFINITY), r#"{"$complex":[0.0,{"$float":"inf"}]}"#);
        check(
            &Value::Dict(vec![(Value::Str("k".into()), Value::Set(vec![]))]),
            r#"{"k":{"$set":[]}}"#,
        );
        check(&Value::Dict(vec![(Value::Int(1), Value::Bool(true))]), r#"{"$dict":[[1,true]]}"#);
        check(
            &Value::Dict(vec![(Value::Str("$set".into()), Value::Int(2))]),
            r#"{"$dict":[["$set",2]]}"#,
        );
    }

    #[test]
    fn bad_values_are_refused() {
        for bad in [r#"{"$what":1}"#, r#"{"$tuple":1}"#, r#"{"$set":[],"x":1}"#, r#"{"$int":"1x"}"#]
        {
            assert!(serde_json::from_str::<Value>(bad).is_err(), "{bad}");
        }
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(serde_json::from_str::<Value>(&deep).is_err());
    }
}
