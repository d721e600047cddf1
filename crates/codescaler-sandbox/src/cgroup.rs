//! Control groups: the kernel's bounds on everything below one zygote together.
//!
//! Version 1 has a tree of groups per controller, version 2 one tree for all, and some machines
//! have both. What `/proc/self/mountinfo` and `/proc/self/cgroup` say is where we look; whether
//! groups can be made there is found out by making one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use rustix::io::Errno;

/// What is bounded. The order is that of [`Cgroups`].
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
const MEMORY: usize = 0;
const PIDS: usize = 1;
const CPU: usize = 2;
/// A slot gets so many cores at most.
pub(crate) const CORES_MAX: f64 = 2.0;
const CPU_PERIOD_US: u32 = 20_000;
/// Processes and threads of a slot, our own included: enough for a compiler on many cores.
pub(crate) const PIDS_MAX: u32 = 128;

/// The two interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// Where one controller's groups can be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Home {
    version: Version,
    /// Where the hierarchy is mounted.
    mount: PathBuf,
    /// Our own group.
    own: PathBuf,
}

/// Directories in which groups can be made, by controller.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups([(Version, PathBuf); 3]);

impl Cgroups {
    /// Finds them, and removes what dead supervisors left there; or says what is missing.
    pub(crate) fn find() -> Result<Cgroups, String> {
        let read =
            |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        let (mounts, own) = (read("/proc/self/mountinfo")?, read("/proc/self/cgroup")?);
        let mut found = Vec::new();
        for controller in CONTROLLERS {
            let home = home(&mounts, &own, controller)
                .ok_or_else(|| format!("no {controller} controller is mounted"))?;
            let base = home.base();
            match home.version {
                Version::V1 if !can_make_groups(base) => {
                    return Err(format!("v1 {controller} hierarchy not writable"));
                }
                Version::V2 if !delegated(base, &home.mount, controller) => {
                    return Err(format!("v2 {controller} controller not delegated"));
                }
                Version::V1 | Version::V2 => {}
            }
            sweep(base);
            found.push((home.version, base.to_path_buf()));
        }
        Ok(Cgroups(found.try_into().expect("one for each of three controllers")))
    }
}

impl Home {
    /// Where groups are to be: in our own group; beside us where we stepped into a leaf of it.
    fn base(&self) -> &Path {
        let is_leaf = self.own.file_name().is_some_and(|name| name == leaf_name().as_str());
        if is_leaf { self.own.parent().unwrap_or(&self.own) } else { &self.own }
    }
}

/// Where a controller is: version 1 if it is mounted so, else version 2.
fn home(mounts: &str, own: &str, controller: &str) -> Option<Home> {
    let of_version = |version| {
        let path = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (names, path) = (fields.next()?, fields.next()?);
            let is_it = match version {
                Version::V1 => names.split(',').any(|name| name == controller),
                Version::V2 => names.is_empty(),
            };
            is_it.then_some(path)
        })?;
        mounts.lines().find_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut left = left.split(' ').skip(3);
            let (root, mount) = (left.next()?, PathBuf::from(unescaped(left.next()?)));
            let mut right = right.split(' ');
            let (kind, options) = (right.next()?, right.nth(1)?);
            let is_it = match version {
                Version::V1 => kind == "cgroup" && options.split(',').any(|o| o == controller),
                Version::V2 => kind == "cgroup2",
            };
            // A path outside of what is mounted: a container that sees its own part only.
            let below = Path::new(path).strip_prefix(unescaped(root)).unwrap_or(Path::new(""));
            let goes_up = below.components().any(|part| part.as_os_str() == "..");
            let own = if goes_up {
                mount.clone()
            } else {
                mount.components().chain(below.components()).collect()
            };
            is_it.then_some(Home { version, mount, own })
        })
    };
    of_version(Version::V1).or_else(|| of_version(Version::V2))
}

/// A path of `mountinfo`, where blanks are written in octal.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

static COUNT: AtomicU64 = AtomicU64::new(0);

fn new_name() -> String {
    format!("codescaler-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn leaf_name() -> String {
    format!("codescaler-{}-supervisor", std::process::id())
}

fn can_make_groups(dir: &Path) -> bool {
    let trial = dir.join(new_name());
    fs::create_dir(&trial).is_ok() && fs::remove_dir(&trial).is_ok()
}

/// Whether groups below `dir` have the controller, after we have asked for it.
fn delegated(dir: &Path, mount: &Path, controller: &str) -> bool {
    let lists = |file: &str| {
        fs::read_to_string(dir.join(file))
            .is_ok_and(|text| text.split_whitespace().any(|name| name == controller))
    };
    if !lists("cgroup.controllers") || !can_make_groups(dir) {
        return false;
    }
    let enable = || fs::write(dir.join("cgroup.subtree_control"), format!("+{controller}"));
    if lists("cgroup.subtree_control") || enable().is_ok() {
        return true;
    }
    // A group with processes of its own hands no controllers down: we step into a leaf, which
    // helps where nobody else lives here. The root is free of that rule.
    let me = std::process::id().to_string();
    let procs = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    if dir == mount || procs.trim() != me {
        return false;
    }
    let leaf = dir.join(leaf_name());
    let _ = fs::create_dir(&leaf);
    fs::write(leaf.join("cgroup.procs"), me).is_ok() && enable().is_ok()
}

/// Removes groups of supervisors that are no more. One with processes in it is not removed.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix("codescaler-")?.split('-').next());
        let Some(Ok(owner)) = owner.map(str::parse::<u32>) else { continue };
        if !Path::new("/proc").join(owner.to_string()).exists() {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// A group, in as many hierarchies as it takes. Dropping it removes it; it must be empty by then.
#[derive(Debug)]
pub(crate) struct Group {
    dirs: [(Version, PathBuf); 3],
    kills_seen: AtomicU64,
}

impl Group {
    /// A new group without processes, for at most `pids_max` processes and threads.
    pub(crate) fn new(cgroups: &Cgroups, pids_max: u32) -> io::Result<Group> {
        let name = new_name();
        let dirs = cgroups.0.clone().map(|(version, base)| (version, base.join(&name)));
        // Made first, so that whatever comes after removes what is there.
        let group = Group { dirs, kills_seen: AtomicU64::new(0) };
        for (_, dir) in &group.dirs {
            match fs::create_dir(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        group.bound_pids(pids_max)?;
        group.bound_cpu(CORES_MAX)?;
        Ok(group)
    }

    /// Moves a process in; what it forks from now on is born here.
    pub(crate) fn add(&self, pid: u32) -> io::Result<()> {
        self.dirs.iter().try_for_each(|(_, dir)| write(dir, "cgroup.procs", pid))
    }

    /// Bounds CPU time to so many seconds per second.
    pub(crate) fn bound_cpu(&self, cores_max: f64) -> io::Result<()> {
        #[expect(clippy::cast_possible_truncation, reason = "microseconds of a short period")]
        let quota_us = (cores_max * f64::from(CPU_PERIOD_US)) as i64;
        let (version, dir) = &self.dirs[CPU];
        match version {
            Version::V1 => {
                write(dir, "cpu.cfs_period_us", CPU_PERIOD_US)?;
                write(dir, "cpu.cfs_quota_us", quota_us)
            }
            Version::V2 => write(dir, "cpu.max", format!("{quota_us} {CPU_PERIOD_US}")),
        }
    }

    /// How often the bound on CPU has made the group wait.
    pub(crate) fn n_throttled(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.dirs[CPU].1.join("cpu.stat"))?;
        Ok(counted(&text, "nr_throttled "))
    }

    /// Bounds processes and threads.
    pub(crate) fn bound_pids(&self, pids_max: u32) -> io::Result<()> {
        write(&self.dirs[PIDS].1, "pids.max", pids_max)
    }

    /// Bounds resident memory: pages, shared ones, and what the kernel keeps for the group. Swap
    /// adds nothing to it.
    pub(crate) fn bound_memory(&self, bytes: u64) -> io::Result<()> {
        let (version, dir) = &self.dirs[MEMORY];
        match version {
            Version::V1 => {
                // Neither bound may pass the other on the way, up or down; without swap
                // accounting there is only one.
                let _ = write(dir, "memory.limit_in_bytes", bytes);
                optional(write(dir, "memory.memsw.limit_in_bytes", bytes))?;
                write(dir, "memory.limit_in_bytes", bytes)
            }
            Version::V2 => {
                optional(write(dir, "memory.swap.max", 0))?;
                write(dir, "memory.max", bytes)
            }
        }
    }

    /// Resident memory of the group, in bytes.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        let (version, dir) = &self.dirs[MEMORY];
        let file = match version {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        };
        fs::read_to_string(dir.join(file))?.trim().parse().map_err(io::Error::other)
    }

    /// Whether the group's bound on memory has killed since this was last asked.
    pub(crate) fn has_killed(&self) -> bool {
        let (version, dir) = &self.dirs[MEMORY];
        let file = match version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
        let kills = counted(&text, "oom_kill ");
        self.kills_seen.swap(kills, Ordering::Relaxed) < kills
    }
}

/// A count in a file of names and counts.
fn counted(text: &str, name: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix(name));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

fn write(dir: &Path, file: &str, value: impl ToString) -> io::Result<()> {
    let path = dir.join(file);
    fs::write(&path, value.to_string())
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn optional(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for (_, dir) in &self.dirs {
            for _ in 0..200 {
                let busy = fs::remove_dir(dir)
                    .is_err_and(|error| error.raw_os_error() == Some(Errno::BUSY.raw_os_error()));
                if !busy {
                    break;
                }
                // The last process is dead, but the kernel is not through with it.
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n";
    const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const HYBRID: &str = "32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const DOCKER: &str =
        "35 31 0:32 /docker/ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";

    #[track_caller]
    fn check(mounts: &str, own: &str, controller: &str, expected: Option<(Version, &str)>) {
        let found = home(mounts, own, controller);
        let found = found.as_ref().map(|home| (home.version, home.own.to_str().unwrap()));
        assert_eq!(found, expected);
    }

    #[test]
    fn homes_are_found() {
        use Version::{V1 as One, V2 as Two};
        let root = Some((One, "/sys/fs/cgroup/memory"));
        check(V1, "4:memory:/\n", "memory", root);
        check(V1, "4:memory:/a/b\n0::/\n", "memory", Some((One, "/sys/fs/cgroup/memory/a/b")));
        check(V1, "2:cpuacct,cpu:/\n", "cpu", Some((One, "/sys/fs/cgroup/cpu,cpuacct")));
        check(V1, "8:pids:/\n0::/\n", "pids", None);
        check(V2, "0::/user.slice/a b\n", "pids", Some((Two, "/sys/fs/cgroup/user.slice/a b")));
        check(V2, "0::/../x\n", "memory", Some((Two, "/sys/fs/cgroup")));
        check(HYBRID, "4:memory:/\n0::/a\n", "memory", root);
        check(HYBRID, "4:memory:/\n0::/a\n", "pids", Some((Two, "/sys/fs/cgroup/unified/a")));
        check(DOCKER, "4:memory:/docker/ab\n", "memory", root);
        check(DOCKER, "4:memory:/docker/ab/c\n", "memory", Some((One, "/sys/fs/cgroup/memory/c")));
        check(DOCKER, "4:memory:/elsewhere\n", "memory", root);
        check("", "0::/\n", "memory", None);
    }

    #[test]
    fn kills_are_counted() {
        let kills = |text| counted(text, "oom_kill ");
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
        assert_eq!(kills("low 0\nmax 9\noom 4\noom_kill 2\noom_group_kill 0\n"), 2);
        assert_eq!(kills(""), 0);
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    fn a_group_comes_and_goes() {
        let cgroups = match Cgroups::find() {
            Ok(cgroups) => cgroups,
            Err(why) => {
                println!("skipped: {why}");
                return;
            }
        };
        let group = Group::new(&cgroups, 16).unwrap();
        for bytes in [64 << 20, 256 << 20, 32 << 20] {
            group.bound_memory(bytes).unwrap();
        }
        assert!(!group.has_killed());
        let dirs = group.dirs.clone();
        assert!(dirs.iter().all(|(_, dir)| dir.is_dir()));
        drop(group);
        assert!(dirs.iter().all(|(_, dir)| !dir.exists()));
    }
}
