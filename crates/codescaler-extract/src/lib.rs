//! Completion to program: total, fast, with the reason when there is no program and the byte
//! range when there is one; plus the syntax check and the tree features that rest on the parsers.
//!
//! Read in this order: [`extract`], then `best` (the default policy), `rules` (the published
//! ones), `fence` (Markdown), `cut` (from a byte range to program text), `python` and `grammar`
//! (the parsers), `tree` (features), `canonical` (one text for programs that differ in comments and
//! layout only).
//!
//! Nothing here runs a program, does IO, or fails: a completion without a program is an
//! [`Extraction`] with a [`Reason`].

mod bare;
mod best;
mod bug;
mod canonical;
mod cut;
mod edits;
mod extraction;
mod fence;
mod fit;
mod grammar;
mod policy;
mod python;
mod python_tree;
mod rewrite;
mod rules;
mod syntax;
mod tabs;
#[cfg(test)]
mod tests;
mod thinking;
mod tree;

pub use bug::{Bug, BugKind, bugs};
pub use canonical::canonical;
pub use edits::{EDIT_SEPARATOR, PlayError, PlayErrorKind, edits, play};
pub use extraction::{Extraction, Note, Reason};
pub use policy::{Policy, Spec, UnknownPolicy};
pub use rewrite::{Rewrite, UnknownRewrite, rewrite};
pub use syntax::{PROGRAM_BYTES_MAX, SyntaxError, check_syntax, has_parser};
pub use tree::{tree_digest, tree_shape};

/// Finds the program in a completion.
///
/// Total: every string gives an answer. Deterministic: it depends on its arguments only. Where
/// [`Policy::promises_syntax`] holds, a returned program passes [`check_syntax`].
pub fn extract(completion: &str, spec: &Spec<'_>) -> Extraction {
    match spec.policy {
        Policy::BestValid => best::extract(completion, spec),
        Policy::SingleValid => rules::single_valid(completion, spec.language),
        Policy::LastFenced => rules::last_fenced(completion),
        Policy::Lcb => rules::lcb(completion),
        Policy::Edits => rules::edits(completion, spec.language),
        Policy::Whole => rules::whole(completion),
    }
}
