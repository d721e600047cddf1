//! Record files: JSON Lines with a versioned header. The only code that knows our file format.

/// Keys of other writers, kept as they came, in their order.
pub type Extra = serde_json::Map<String, serde_json::Value>;
