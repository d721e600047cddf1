//! Files: inputs that are read, joined and checked, and outputs that are never half-written.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use codescaler::{
    candidate::{Candidate, OfCandidate},
    compress::decompressed,
    problem::Problem,
    record::{self, Header, Reader, Record, RecordError, Writer},
};
use serde_json::Value as Json;

use crate::{failure::Failure, merge::Shard};

/// Opens a file that may be compressed.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    let file = File::open(path)
        .with_context(|| format!("cannot open {}", path.display()))
        .map_err(Failure::Input)?;
    decompressed(BufReader::with_capacity(1 << 16, file))
        .with_context(|| format!("cannot decompress {}", path.display()))
        .map_err(Failure::Input)
}

/// Opens a record file.
pub(crate) fn records<T: Record>(path: &Path) -> Result<Reader<Box<dyn BufRead>, T>, Failure> {
    Ok(Reader::new(open(path)?, &path.display().to_string())?)
}

/// The format of a record file; `None` for another file.
pub(crate) fn kind(path: &Path) -> Result<Option<String>, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_record = [".jsonl", ".jsonl.zst", ".jsonl.gz"].iter().any(|end| name.ends_with(end));
    if !is_record || !path.is_file() {
        return Ok(None);
    }
    let mut line = Vec::new();
    let mut start = open(path)?.take(1 << 20);
    start
        .read_until(b'\n', &mut line)
        .with_context(|| format!("cannot read {}", path.display()))
        .map_err(Failure::Input)?;
    Ok(serde_json::from_slice(&line).ok().map(|header: Header| header.format))
}

/// Every record of a file.
pub(crate) fn read_all<T: Record>(path: &Path) -> Result<Vec<T>, Failure> {
    Ok(records(path)?.collect::<Result<_, RecordError>>()?)
}

/// How many lines follow the header.
pub(crate) fn count_records(path: &Path) -> Result<u64, Failure> {
    let mut input = open(path)?;
    let mut lines = 0;
    loop {
        let buffer = input
            .fill_buf()
            .with_context(|| format!("cannot read {}", path.display()))
            .map_err(Failure::Input)?;
        if buffer.is_empty() {
            return Ok(u64::saturating_sub(lines, 1));
        }
        lines += buffer.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let n = buffer.len();
        input.consume(n);
    }
}

/// The fingerprint of a file's contents, for provenance: 32 hexadecimal digits of BLAKE3.
pub(crate) fn fingerprint(path: &Path) -> Result<String, Failure> {
    let mut hasher = blake3::Hasher::new();
    let mut input = open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = input
            .read(&mut buffer)
            .with_context(|| format!("cannot read {}", path.display()))
            .map_err(Failure::Input)?;
        if n == 0 {
            return Ok(hasher.finalize().to_hex()[..32].to_owned());
        }
        hasher.update(&buffer[..n]);
    }
}

/// The problems of a file, in its order.
pub(crate) struct Problems {
    list: Vec<Problem>,
    by_id: BTreeMap<String, usize>,
    file: String,
}

impl Problems {
    /// Reads problems; a repeated id is an error.
    pub(crate) fn read(path: &Path) -> Result<Problems, Failure> {
        Problems::read_files(&[path.to_owned()])
    }

    /// The problems of several files, as those of one.
    pub(crate) fn read_files(paths: &[PathBuf]) -> Result<Problems, Failure> {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let mut problems =
            Problems { list: Vec::new(), by_id: BTreeMap::new(), file: names.join(" and ") };
        for path in paths {
            problems.add(records(path)?, &path.display().to_string())?;
        }
        Ok(problems)
    }

    /// As [`Problems::read`], from an open file.
    pub(crate) fn from_reader<R: BufRead>(
        reader: Reader<R, Problem>,
        file: &str,
    ) -> Result<Problems, Failure> {
        let mut problems =
            Problems { list: Vec::new(), by_id: BTreeMap::new(), file: file.to_owned() };
        problems.add(reader, file)?;
        Ok(problems)
    }

    fn add<R: BufRead>(
        &mut self,
        mut reader: Reader<R, Problem>,
        file: &str,
    ) -> Result<(), Failure> {
        let before = self.list.len();
        while let Some(problem) = reader.next() {
            let problem = problem?;
            if self.by_id.insert(problem.id.clone(), self.list.len()).is_some() {
                return Err(reader
                    .error_here(format!("problem {:?} stands here for the second time", problem.id))
                    .into());
            }
            self.list.push(problem);
        }
        if self.list.len() == before {
            return Err(Failure::input(format!("{file} holds no problem")));
        }
        Ok(())
    }

    /// Blanks what problems say: statements and starters.
    pub(crate) fn hide_texts(&mut self) {
        for problem in &mut self.list {
            problem.statement.clear();
            problem.starter.clear();
        }
    }

    /// The place of a problem in its file.
    ///
    /// # Panics
    /// When there is no such problem.
    pub(crate) fn place(&self, id: &str) -> usize {
        self.by_id[id]
    }

    /// Every problem, in the file's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }
}

/// Records about candidates, one by one, each joined with its problem: an unknown problem or a
/// repeated candidate is an error at its line.
pub(crate) struct Joined<'a, R, T> {
    reader: Reader<R, T>,
    problems: &'a Problems,
    seen: Seen,
    /// What makes two records of one candidate different (a suite, a labeller).
    repeats_allowed: bool,
    /// The share of problems that is wanted.
    shard: Option<Shard>,
}

impl<'a, T: Record + OfCandidate> Joined<'a, Box<dyn BufRead>, T> {
    /// Opens a file whose candidates are all distinct.
    pub(crate) fn open(path: &Path, problems: &'a Problems) -> Result<Self, Failure> {
        Ok(Joined::new(records(path)?, problems))
    }
}

impl<'a, R: BufRead, T: Record + OfCandidate> Joined<'a, R, T> {
    /// As [`Joined::open`], from an open file.
    pub(crate) fn new(reader: Reader<R, T>, problems: &'a Problems) -> Joined<'a, R, T> {
        Joined { reader, problems, seen: Seen::default(), repeats_allowed: false, shard: None }
    }

    /// Passes over the problems of other shards.
    pub(crate) fn of_shard(mut self, shard: Option<Shard>) -> Self {
        self.shard = shard;
        self
    }

    /// Lets a candidate occur more than once (labels by several labellers).
    pub(crate) fn with_repeats(mut self) -> Self {
        self.repeats_allowed = true;
        self
    }
}

impl<'a, R: BufRead, T: Record + OfCandidate> Iterator for Joined<'a, R, T> {
    type Item = Result<(&'a Problem, T), Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read()? {
                Ok((place, _)) if self.shard.is_some_and(|shard| !shard.has(place)) => {}
                Ok((place, record)) => return Some(Ok((&self.problems.list[place], record))),
                Err(failure) => return Some(Err(failure)),
            }
        }
    }
}

impl<R: BufRead, T: Record + OfCandidate> Joined<'_, R, T> {
    /// The next record, and the place of its problem.
    fn read(&mut self) -> Option<Result<(usize, T), Failure>> {
        let record = match self.reader.next()? {
            Ok(record) => record,
            Err(error) => return Some(Err(error.into())),
        };
        let Some(&place) = self.problems.by_id.get(record.problem()) else {
            let message =
                format!("problem {:?} is not in {}", record.problem(), self.problems.file);
            return Some(Err(self.reader.error_here(message).into()));
        };
        if !self.seen.insert(place, record.index()) && !self.repeats_allowed {
            let message = format!(
                "candidate {} of problem {:?} stands here for the second time",
                record.index(),
                record.problem()
            );
            return Some(Err(self.reader.error_here(message).into()));
        }
        Some(Ok((place, record)))
    }
}

/// Which candidates were seen, in runs of indices: a problem whose candidates are numbered without
/// a gap takes one entry, however many there are.
#[derive(Default)]
struct Seen {
    /// (problem, first index) → last index.
    runs: BTreeMap<(usize, u32), u32>,
}

impl Seen {
    /// Whether it is seen for the first time.
    fn insert(&mut self, problem: usize, index: u32) -> bool {
        let before = self.runs.range(..=(problem, index)).next_back();
        let before = before.filter(|((of, _), _)| *of == problem).map(|(run, last)| (run.1, *last));
        if before.is_some_and(|(_, last)| index <= last) {
            return false;
        }
        let after = index.checked_add(1).and_then(|next| self.runs.remove(&(problem, next)));
        let first = before.filter(|(_, last)| last + 1 == index).map_or(index, |(first, _)| first);
        self.runs.insert((problem, first), after.unwrap_or(index));
        true
    }
}

/// Candidates joined with their problems.
pub(crate) type Candidates<'a> = Joined<'a, Box<dyn BufRead>, Candidate>;

/// An output on its way: it stands in `NAME.part` until it is whole, then in `NAME`. A stopped
/// writer's work is found again, its half line cut away.
pub(crate) struct Output {
    path: PathBuf,
    writer: Writer<BufWriter<File>>,
}

/// What [`Output::open`] found.
pub(crate) enum Opened<T> {
    /// The file is whole and made the same way: nothing to do.
    Whole,
    /// To be written on, behind the records that stand there already.
    Open(Output, Vec<T>),
}

impl Output {
    /// Opens `path` for the work that `header` describes.
    ///
    /// A file there that was made otherwise is an error: nothing is overwritten.
    pub(crate) fn open<T: Record>(path: &Path, header: &Header) -> Result<Opened<T>, Failure> {
        let name = path.display().to_string();
        if path.exists() {
            let found: Reader<_, T> = records(path)?;
            same_work(found.header(), header, &name)?;
            return Ok(Opened::Whole);
        }
        let part = part_of(path);
        let mut done = Vec::new();
        let mut whole_bytes = 0;
        if part.exists() {
            let file =
                BufReader::new(File::open(&part).map_err(|error| cannot("open", &part, error))?);
            let scan = record::scan(file, &part.display().to_string())?;
            // A part without a record, such as an unusable input leaves, holds no work to lose.
            if let Some(found) = scan.header.as_ref().filter(|_| !scan.records.is_empty()) {
                same_work(found, header, &part.display().to_string())?;
                whole_bytes = scan.whole_bytes;
            }
            done = scan.records;
        } else if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|error| cannot("create", folder, error))?;
        }
        let open = || -> io::Result<Writer<BufWriter<File>>> {
            let file = OpenOptions::new().create(true).append(true).open(&part)?;
            file.set_len(whole_bytes)?;
            let buffered = BufWriter::with_capacity(1 << 16, file);
            Ok(if whole_bytes == 0 {
                Writer::new(buffered, header)?
            } else {
                Writer::append(buffered)
            })
        };
        let writer = open().map_err(|error| cannot("write", &part, error))?;
        Ok(Opened::Open(Output { path: path.to_owned(), writer }, done))
    }

    /// Starts `path` anew, whatever a stopped writer left.
    pub(crate) fn create<T: Record>(path: &Path, header: &Header) -> Result<Opened<T>, Failure> {
        if let Err(error) = fs::remove_file(part_of(path))
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(cannot("remove", &part_of(path), error));
        }
        Output::open(path, header)
    }

    /// Gives the file up.
    pub(crate) fn discard(self) -> Result<(), Failure> {
        let part = part_of(&self.path);
        fs::remove_file(&part).map_err(|error| cannot("remove", &part, error))
    }

    /// Adds a record.
    pub(crate) fn write<T: Record>(&mut self, record: &T) -> Result<(), Failure> {
        self.write_io(record).map_err(|error| cannot("write", &self.path, error))
    }

    /// Adds a record, for callers that know only of IO.
    pub(crate) fn write_io<T: Record>(&mut self, record: &T) -> io::Result<()> {
        self.writer.write(record)
    }

    /// Hands the records so far to the system, so that being killed does not lose them.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| cannot("write", &self.path, error))
    }

    /// Declares the file whole.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let path = self.path;
        let finish = || -> io::Result<()> {
            self.writer
                .into_inner()?
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .sync_data()?;
            fs::rename(part_of(&path), &path)
        };
        finish().map_err(|error| cannot("write", &path, error))
    }
}

/// Writes a whole file at once: it is there complete or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_rows(path, |file| file.write_all(bytes))
}

/// As [`write_whole`], for what is made while it is written.
pub(crate) fn write_rows(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Failure> {
    write_by(path, |part| {
        let write = || -> io::Result<()> {
            let mut file = BufWriter::with_capacity(1 << 16, File::create(part)?);
            write(&mut file)?;
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()
        };
        write().map_err(|error| cannot("write", path, error))
    })
}

/// Lets `write` write a file beside `path`, and puts it there when it is whole.
pub(crate) fn write_by(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| cannot("create", folder, error))?;
    }
    let part = part_of(path);
    write(&part)?;
    fs::rename(&part, path).map_err(|error| cannot("write", path, error))
}

/// Where a file stands until it is whole.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

fn same_work(found: &Header, wanted: &Header, file: &str) -> Result<(), Failure> {
    if found == wanted {
        return Ok(());
    }
    let json = |header: &Header| serde_json::to_value(header).expect("a header is JSON");
    let (mut there, mut asked) = (Vec::new(), Vec::new());
    differing("", (Some(&json(found)), Some(&json(wanted))), &mut |path, (found, wanted)| {
        let path = path.strip_prefix("provenance.").unwrap_or(path);
        let shown = |value: Option<&Json>| match value {
            Some(value) => format!("{path} {value}"),
            None => format!("no {path}"),
        };
        there.push(shown(found));
        asked.push(shown(wanted));
    });
    Err(Failure::input(format!(
        "{file} exists and was made otherwise: delete it or name another output\n  there: {}\n  asked: {}",
        there.join(", "),
        asked.join(", ")
    )))
}

/// Two values, either of which may be absent.
type Pair<'a> = (Option<&'a Json>, Option<&'a Json>);

/// Tells `tell` of every leaf in which two values differ.
fn differing(path: &str, (one, other): Pair<'_>, tell: &mut dyn FnMut(&str, Pair<'_>)) {
    match (one, other) {
        _ if one == other => {}
        (Some(Json::Object(a)), Some(Json::Object(b))) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differing(&inner, (a.get(key), b.get(key)), tell);
            }
        }
        (_, _) => tell(path, (one, other)),
    }
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Failure {
    Failure::fault(error, format!("cannot {what} {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Sees candidates in turn; each is new when a plain set says so.
    #[track_caller]
    fn check(candidates: &[(usize, u32)], n_runs: usize) {
        let (mut seen, mut plain) = (Seen::default(), BTreeSet::new());
        for &(problem, index) in candidates {
            assert_eq!(seen.insert(problem, index), plain.insert((problem, index)));
        }
        assert_eq!(seen.runs.len(), n_runs);
    }

    #[test]
    fn a_candidate_is_seen_once() {
        check(&[(0, 0), (0, 1), (0, 2), (0, 1)], 1);
        check(&[(0, 2), (0, 0), (0, 1), (0, 0), (0, 2), (0, 3)], 1);
        check(&[(0, 0), (1, 0), (1, 1), (0, 2), (1, 3), (1, 2), (1, 3)], 3);
        check(&[(0, u32::MAX), (0, u32::MAX), (1, 0), (0, u32::MAX - 1)], 2);
        let scattered: Vec<_> = (0..606).map(|i| (i * 7 % 3, i as u32 * 37 % 101)).collect();
        check(&scattered, 3);
    }
}
