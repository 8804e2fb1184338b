//! Making a data directory and running a server on it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::binaries::{Binaries, find_major};
use crate::database::{Address, PORT, SUPERUSER};
use crate::error::{ClusterError, io_error};
use crate::lock;
use crate::place::{Place, SOCKET_NAME};
use crate::postmaster;
use crate::spawn;

/// Long enough for the recovery of a large database after a crash.
const READY_WITHIN: Duration = Duration::from_secs(180);
const LOG_BYTES_MAX: u64 = 16 << 20;
const LOG_TAIL_BYTES: u64 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Ends with this process.
    Process,
    /// Runs on; somebody else stops it.
    Detached,
}

/// How a server is made and run.
pub(crate) struct Profile {
    pub(crate) initdb: &'static [&'static str],
    pub(crate) settings: &'static [&'static str],
    pub(crate) lifetime: Lifetime,
}

pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: Address,
}

/// Starts a server in a place that nobody else uses, and waits until it takes connections.
pub(crate) fn launch(
    binaries: &Binaries,
    place: &Place,
    profile: &Profile,
) -> Result<Server, ClusterError> {
    require_reachable(binaries, place)?;
    let data = place.data();
    let binaries = if is_vacant(&data)? {
        init(binaries, place, profile)?;
        binaries.clone()
    } else {
        matching(binaries, &data)?
    };
    postmaster::recover(&data)?;
    let address = Address {
        socket_dir: place.socket_dir()?,
        bin_dir: binaries.bin_dir,
    };
    remove_socket(&address.socket_dir)?;
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let log = Log::open(place)?;
        let mut child = run(&address, place, profile, &log)?;
        match wait_ready(&mut child, &address, &data, deadline) {
            Ok(()) => return Ok(Server { child, address }),
            Err(Unready::Ended) => {
                let output = log.tail();
                // Backends whose postmaster was killed need a moment to notice.
                let is_orphaned = output.contains("is still in use");
                if !is_orphaned || Instant::now() >= deadline {
                    return Err(ClusterError::EndedAtStart { dir: data, output });
                }
            }
            Err(Unready::Late) => {
                let pid = child.id().cast_signed();
                postmaster::stop(pid, &data, || has_ended(&mut child))?;
                return Err(ClusterError::NotReady {
                    dir: data,
                    after: READY_WITHIN,
                    output: log.tail(),
                });
            }
        }
    }
}

/// Removes a dead server's socket and its lock file, over whose pid PostgreSQL would refuse to start
/// if that is reused or a zombie. The directory is ours alone.
fn remove_socket(socket_dir: &Path) -> Result<(), ClusterError> {
    for name in [String::from(SOCKET_NAME), format!("{SOCKET_NAME}.lock")] {
        let path = socket_dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

pub(crate) fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

fn require_reachable(binaries: &Binaries, place: &Place) -> Result<(), ClusterError> {
    match place.account.blocked_by(&binaries.bin_dir) {
        None => Ok(()),
        Some(blocked_by) => Err(ClusterError::BinariesUnreachable {
            bin_dir: binaries.bin_dir.clone(),
            blocked_by,
            account: place.account.name.clone(),
        }),
    }
}

fn is_vacant(data: &Path) -> Result<bool, ClusterError> {
    match fs::read_dir(data) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(io_error("read", data)(error)),
    }
}

/// The data's own version decides which binaries run it; an upgrade usually leaves the old ones.
fn matching(binaries: &Binaries, data: &Path) -> Result<Binaries, ClusterError> {
    let not_a_cluster = || ClusterError::NotACluster {
        dir: data.to_owned(),
    };
    let version = fs::read_to_string(data.join("PG_VERSION")).map_err(|_| not_a_cluster())?;
    let major: u32 = version.trim().parse().map_err(|_| not_a_cluster())?;
    if major == binaries.major {
        return Ok(binaries.clone());
    }
    find_major(major).ok_or_else(|| ClusterError::OtherMajor {
        dir: data.to_owned(),
        data: major,
        installed: binaries.major,
    })
}

/// Initialises beside the data directory and renames, so that being killed leaves nothing half made.
fn init(binaries: &Binaries, place: &Place, profile: &Profile) -> Result<(), ClusterError> {
    remove_drafts(&place.dir)?;
    let data = place.data();
    let draft = nix::unistd::mkdtemp(&place.dir.join("data.new-XXXXXX"))
        .map_err(|errno| io_error("make a directory in", &place.dir)(errno.into()))?;
    place
        .account
        .give(&draft)
        .map_err(io_error("own", &draft))?;

    let program = binaries.bin_dir.join("initdb");
    let mut command = spawn::command(&program, &place.account);
    command
        .args(["-A", "trust", "-E", "UTF8", "--locale=C", "-U", SUPERUSER])
        .arg("--no-instructions")
        .args(profile.initdb)
        .arg("-D")
        .arg(&draft)
        .stderr(Stdio::piped());
    let output = spawn::spawn_bound(command, Signal::SIGKILL)
        .and_then(Child::wait_with_output)
        .map_err(io_error("run", &program))?;
    if !output.status.success() {
        let _ = fs::remove_dir_all(&draft);
        return Err(ClusterError::Init {
            dir: data,
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    // An empty directory gives way; one with anything in it makes the rename fail.
    fs::rename(&draft, &data).map_err(io_error("make", &data))?;
    let synced = File::open(&place.dir).and_then(|dir| dir.sync_all());
    synced.map_err(io_error("sync", &place.dir))
}

/// What killed initialisations left. One whose last child still writes may stay until next time.
fn remove_drafts(dir: &Path) -> Result<(), ClusterError> {
    for entry in fs::read_dir(dir).map_err(io_error("read", dir))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("data.new-") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn run(
    address: &Address,
    place: &Place,
    profile: &Profile,
    log: &Log,
) -> Result<Child, ClusterError> {
    let program = address.bin_dir.join("postgres");
    let mut command = spawn::command(&program, &place.account);
    command
        .arg("-D")
        .arg(place.data())
        .arg("-k")
        .arg(&address.socket_dir)
        .args(["-p", PORT, "-c", "listen_addresses="])
        .args(["-c", "unix_socket_permissions=0700"])
        .args(profile.settings.iter().flat_map(|setting| ["-c", setting]))
        .stderr(log.writer().map_err(io_error("open", &log.path))?);
    let child = match profile.lifetime {
        Lifetime::Process => spawn::spawn_bound(command, Signal::SIGINT),
        Lifetime::Detached => command.spawn(),
    };
    child.map_err(io_error("run", &program))
}

enum Unready {
    Ended,
    Late,
}

fn wait_ready(
    child: &mut Child,
    address: &Address,
    data: &Path,
    deadline: Instant,
) -> Result<(), Unready> {
    let pid = child.id().cast_signed();
    let mut is_over = false;
    let within = deadline.saturating_duration_since(Instant::now());
    let is_settled = postmaster::wait(within, || {
        is_over = has_ended(child);
        is_over || is_ready(pid, address, data)
    });
    match (is_settled, is_over) {
        (true, false) => Ok(()),
        (true, true) => Err(Unready::Ended),
        (false, _) => Err(Unready::Late),
    }
}

/// The pid file comes first: it costs no process, and it names the server that answers.
pub(crate) fn is_ready(pid: i32, address: &Address, data: &Path) -> bool {
    let file = postmaster::read(data).ok().flatten();
    file.is_some_and(|file| file.pid == pid && file.is_ready) && address.accepts()
}

/// The server's own log, one older generation kept.
struct Log {
    path: PathBuf,
    file: File,
    /// Where this start begins.
    start: u64,
}

impl Log {
    fn open(place: &Place) -> Result<Log, ClusterError> {
        let path = place.log();
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.len() > LOG_BYTES_MAX) {
            let _ = fs::rename(&path, path.with_extension("log.old"));
        }
        let file = lock::open(&path, &place.account)?;
        let start = file.metadata().map_err(io_error("inspect", &path))?.len();
        Ok(Log { path, file, start })
    }

    fn writer(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The end of what this start has written.
    fn tail(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = self.file.try_clone()?;
            let length = file.metadata()?.len();
            let from = self.start.max(length.saturating_sub(LOG_TAIL_BYTES));
            file.seek(SeekFrom::Start(from))?;
            let mut text = Vec::new();
            file.take(LOG_TAIL_BYTES).read_to_end(&mut text)?;
            Ok(text)
        };
        let text = read().unwrap_or_default();
        String::from_utf8_lossy(&text).trim().to_owned()
    }
}
