//! What one program at a time runs in: zygotes and a launcher, started when they are first needed.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use codescaler::{
    execution::{Fault, FaultKind},
    language::Language,
};

use crate::{
    cache::Cache,
    calls,
    compiled::{Built, Workshop},
    cores::Cores,
    job::CaseRun,
    protection::Plan,
    script::{self, Tester},
    toolchain::{Toolchain, hint},
    verdict::{Used, Work},
    whole,
    zygote::{Kind, NoZygote, Zygote, io_fault},
};

/// What all slots of a sandbox share.
pub(crate) struct Ground {
    pub(crate) python: PathBuf,
    pub(crate) plan: Plan,
    /// Where compilers are looked for.
    pub(crate) search: Vec<PathBuf>,
    toolchains: OnceLock<BTreeMap<Language, Toolchain>>,
    artifacts: Cache<Built>,
    cores: Cores,
}

/// Compiled programs are kept up to so many bytes.
const ARTIFACT_BYTES_MAX: usize = 512 << 20;

impl Ground {
    pub(crate) fn new(python: PathBuf, plan: Plan, search: Vec<PathBuf>) -> Ground {
        let (toolchains, artifacts) = (OnceLock::new(), Cache::new(ARTIFACT_BYTES_MAX));
        Ground { python, plan, search, toolchains, artifacts, cores: Cores::new() }
    }

    /// The toolchains that are here, found once.
    fn toolchains(&self) -> &BTreeMap<Language, Toolchain> {
        self.toolchains.get_or_init(|| {
            let found = Language::ALL.into_iter().filter_map(|language| {
                Some((language, Toolchain::find(language, &self.search).ok()?))
            });
            found.collect()
        })
    }

    /// The toolchain of a language.
    pub(crate) fn toolchain(&self, language: Language) -> Result<&Toolchain, Fault> {
        self.toolchains().get(&language).ok_or_else(|| Fault {
            kind: FaultKind::Missing,
            message: format!("programs in {language} cannot be run: {}", hint(language)),
        })
    }

    fn zygote(&self, kind: Kind<'_>) -> Result<Zygote, Fault> {
        Zygote::start(&self.python, &self.plan, kind).map_err(|error| match error {
            NoZygote::Broken(fault) => fault,
            NoZygote::Layer(layer, why) => Fault {
                kind: FaultKind::Worker,
                message: format!("{layer} could be put in place before, but not now: {why}"),
            },
        })
    }
}

/// One program at a time.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) programs: Option<Zygote>,
    tester: Option<Tester>,
    launcher: Option<Launcher>,
}

struct Launcher {
    zygote: Zygote,
    folder: WorkFolder,
}

/// Cases of one kind in a row.
pub(crate) enum Chunk<'a> {
    Calls(Vec<calls::Call<'a>>),
    Texts(Vec<whole::Text<'a>>),
    Codes(Vec<&'a str>),
}

impl Chunk<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Chunk::Calls(list) => list.len(),
            Chunk::Texts(list) => list.len(),
            Chunk::Codes(list) => list.len(),
        }
    }
}

impl Slot {
    /// Whether something in it has worked so long that it should be replaced.
    pub(crate) fn is_worn(&self) -> bool {
        let testers = self.tester.iter().map(|tester| &tester.zygote);
        self.programs.iter().chain(testers).any(Zygote::is_worn)
    }

    /// One verdict per case, up to where the caller wants to stop.
    pub(crate) fn run(
        &mut self,
        ground: &Ground,
        work: &Work<'_>,
        chunk: &Chunk<'_>,
        used: &mut Used,
    ) -> Result<Vec<CaseRun>, Fault> {
        if work.language != Language::Python {
            return self.run_compiled(ground, work, chunk, used);
        }
        let programs = match &mut self.programs {
            Some(zygote) => zygote,
            place @ None => place.insert(ground.zygote(Kind::Programs)?),
        };
        programs.bound(work.limits.memory_mib_max)?;
        match chunk {
            Chunk::Calls(list) => calls::run(programs, work, list, used),
            Chunk::Texts(list) => whole::run(programs, &ground.cores, work, (list, used)),
            Chunk::Codes(list) => {
                let tester = match &mut self.tester {
                    Some(tester) => tester,
                    place @ None => place.insert(Tester::new(ground.zygote(Kind::Tests)?)),
                };
                script::run((programs, tester), &ground.cores, work, (list, used))
            }
        }
    }

    fn run_compiled(
        &mut self,
        ground: &Ground,
        work: &Work<'_>,
        chunk: &Chunk<'_>,
        used: &mut Used,
    ) -> Result<Vec<CaseRun>, Fault> {
        let toolchain = ground.toolchain(work.language)?;
        let launcher = match &mut self.launcher {
            Some(launcher) => launcher,
            place @ None => place.insert(Launcher::start(ground)?),
        };
        let mut workshop =
            Workshop { launcher: &mut launcher.zygote, toolchain, folder: &launcher.folder.path };
        let mut hasher = blake3::Hasher::new();
        hasher.update(work.language.name().as_bytes()).update(b"\0");
        hasher.update(work.program.as_bytes());
        let key = hasher.finalize().into();
        let (built, _) = ground.artifacts.get_or_make(key, || {
            let built = workshop.build(work.language, work.program)?;
            let n_bytes = built.as_ref().map_or(0, |artifact| artifact.n_bytes);
            Ok((built, n_bytes + work.program.len() + 256))
        })?;
        let artifact = match &*built {
            Ok(artifact) => artifact,
            Err(run) => return Ok(vec![run.clone(); chunk.len()]),
        };
        match chunk {
            Chunk::Texts(list) => workshop.run_texts(&ground.cores, artifact, work, (list, used)),
            Chunk::Calls(list)
                if matches!(work.language, Language::JavaScript | Language::TypeScript) =>
            {
                workshop.run_calls(artifact, work, (list, used))
            }
            Chunk::Calls(_) | Chunk::Codes(_) => Err(Fault {
                kind: FaultKind::Test,
                message: format!(
                    "programs in {} are run on standard input and output only",
                    work.language
                ),
            }),
        }
    }
}

impl Launcher {
    fn start(ground: &Ground) -> Result<Launcher, Fault> {
        let folder = WorkFolder::new(ground.plan.namespaces)?;
        let mut toolchains: Vec<PathBuf> =
            ground.toolchains().values().flat_map(|t| t.folders.clone()).collect();
        toolchains.sort();
        toolchains.dedup();
        let kind = Kind::Launcher { toolchains: &toolchains, work: &folder.path };
        Ok(Launcher { zygote: ground.zygote(kind)?, folder })
    }
}

/// Where compilers work: a file system of its own, or without namespaces a folder of this machine.
struct WorkFolder {
    path: PathBuf,
    is_on_disk: bool,
}

static COUNT: AtomicU64 = AtomicU64::new(0);

impl WorkFolder {
    fn new(is_private: bool) -> Result<WorkFolder, Fault> {
        if is_private {
            return Ok(WorkFolder { path: "/build".into(), is_on_disk: false });
        }
        let name =
            format!("codescaler-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new("/tmp").join(name);
        let make = || {
            fs::create_dir(&path)?;
            // The launcher is another user, where it can be.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777))
        };
        make().map_err(|error| io_fault(&format!("cannot make {}", path.display()), &error))?;
        Ok(WorkFolder { path, is_on_disk: true })
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if self.is_on_disk {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
