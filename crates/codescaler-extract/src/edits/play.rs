//! From a sequence of edits back to the program.

use super::EDIT_SEPARATOR;

/// What a sequence of edits cannot be played for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("edit {edit}, line {line}: {kind}")]
pub struct PlayError {
    /// Which edit, counted from 1.
    pub edit: usize,
    /// Which line of the sequence, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub kind: PlayErrorKind,
}

/// What is wrong with a line of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlayErrorKind {
    /// It should begin a hunk.
    #[error("no @@ -N,0 +N,N @@")]
    NoHunk,
    /// It is in a hunk, and inserts nothing.
    #[error("an edit only inserts, so each line begins with +")]
    NoInsertion,
    /// The hunk stands behind the end of what there is so far.
    #[error("there are not that many lines yet")]
    Beyond,
}

/// The program that a sequence of edits makes, joined by [`EDIT_SEPARATOR`] as [`super::edits`]
/// writes them.
///
/// Total: any text gives a program or the first line that cannot be played. A hunk goes where its
/// second number says; how many lines it says to insert is not believed, those that follow are.
///
/// # Errors
/// When a line is neither a hunk's head nor an insertion, or a hunk stands beyond the end.
pub fn play(sequence: &str) -> Result<String, PlayError> {
    let sequence = sequence.strip_prefix(&EDIT_SEPARATOR[1..]).unwrap_or(sequence);
    let sequence = sequence.strip_suffix('\n').unwrap_or(sequence);
    let mut program: Vec<&str> = Vec::new();
    if sequence.is_empty() {
        return Ok(String::new());
    }
    let mut line = 0;
    for (edit, text) in sequence.split(EDIT_SEPARATOR).enumerate() {
        let mut at = None;
        for text in text.split('\n') {
            line += 1;
            let fail = |kind| PlayError { edit: edit + 1, line, kind };
            if let Some(begin) = hunk(text) {
                if begin > program.len() {
                    return Err(fail(PlayErrorKind::Beyond));
                }
                at = Some(begin);
            } else if let Some(at) = &mut at {
                let inserted = text.strip_prefix('+');
                program.insert(*at, inserted.ok_or_else(|| fail(PlayErrorKind::NoInsertion))?);
                *at += 1;
            } else {
                return Err(fail(PlayErrorKind::NoHunk));
            }
        }
    }
    Ok(program.into_iter().flat_map(|line| [line, "\n"]).collect())
}

/// Before which line, counted from 0, a hunk's lines go.
fn hunk(line: &str) -> Option<usize> {
    let (_, new) = line.strip_prefix("@@ -")?.strip_suffix(" @@")?.split_once(" +")?;
    let first: usize = new.split_once(',').map_or(new, |(first, _)| first).parse().ok()?;
    first.checked_sub(1)
}
