//! Database servers on loopback, in a folder of their own, which end with the test.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::Folder;

/// The database, its user and the password that it asks for, which needs escapes in an address.
pub const DATABASE: &str = "pinterest_data";
/// See [`DATABASE`].
pub const USER: &str = "emulator";
/// See [`DATABASE`].
pub const PASSWORD: &str = "c0ral:re@f/%5";
/// The password in an address.
const PASSWORD_ESCAPED: &str = "c0ral%3Are%40f%2F%255";

/// No server takes so long to start.
const START_TIME_MAX: Duration = Duration::from_secs(120);
/// How often it is looked whether one has.
const LOOK_TIME: Duration = Duration::from_millis(20);
/// Where a server has its temporary files; as it starts, it removes those of others there.
const TEMPORARY: &str = "TMPDIR";
/// The user `nobody`: PostgreSQL does not run as root.
const NOBODY: u32 = 65_534;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// MariaDB, which speaks as MySQL does.
    Mysql,
    /// PostgreSQL.
    Postgres,
}

/// A server, running or stopped; its port stays.
pub struct Server {
    kind: Kind,
    folder: Folder,
    programs: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// Starts a fresh one; none where the machine has no such server, which is said.
    pub fn start(kind: Kind) -> Option<Self> {
        let (program, package) = match kind {
            Kind::Mysql => ("mariadbd", "mariadb-server"),
            Kind::Postgres => ("postgres", "postgresql"),
        };
        let Some(programs) = find(program) else {
            println!("left out: there is no {program} (Debian: apt-get install {package})");
            return None;
        };
        let folder = Folder::in_memory(program);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let mut server = Self { kind, folder, programs, port, child: None };
        server.prepare();
        server.resume();
        Some(server)
    }

    /// Where it is, with the password or without.
    pub fn address(&self, with_password: bool) -> String {
        let scheme = match self.kind {
            Kind::Mysql => "mysql",
            Kind::Postgres => "postgres",
        };
        let password = if with_password { format!(":{PASSWORD_ESCAPED}") } else { String::new() };
        format!("{scheme}://{USER}{password}@127.0.0.1:{}/{DATABASE}", self.port)
    }

    /// Kills it, as an outage does.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        match self.kind {
            Kind::Mysql => child.kill().expect("it was running"),
            // It ends its own processes and saves nothing.
            Kind::Postgres => {
                let asked = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status().expect("kill");
                assert!(asked.success(), "it was running");
            }
        }
        child.wait().expect("it ends");
    }

    /// Starts it again with what it had, and waits until it answers.
    pub fn resume(&mut self) {
        let data = self.data();
        let port = self.port.to_string();
        let mut command = match self.kind {
            Kind::Mysql => {
                let mut command = self.tied("mariadbd");
                let path = |name: &str, file: &Path| format!("--{name}={}", file.display());
                command.args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--port", &port]);
                command.args([path("datadir", &data), path("socket", &self.folder.path().join("socket"))]);
                command.arg(path("init-file", &self.folder.path().join("users.sql")));
                command
            }
            Kind::Postgres => {
                let mut command = self.tied("postgres");
                command.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &port, "-k", "", "-c", "fsync=off"]);
                command
            }
        };
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log"));
        let log = log.expect("a file for the log");
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("the server starts");
        self.child = Some(child);
        self.wait();
    }

    /// Makes the files of an empty one.
    fn prepare(&self) {
        let path = self.folder.path();
        let password = path.join("password");
        fs::write(&password, PASSWORD).expect("a file");
        let sql = format!(
            "CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4;\n\
             CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON {DATABASE}.* TO '{USER}'@'127.0.0.1';\n"
        );
        fs::write(path.join("users.sql"), sql).expect("a file");
        for file in [path, &password] {
            if self.kind == Kind::Postgres && is_root() {
                chown(file, Some(NOBODY), Some(NOBODY)).expect("a folder for nobody");
            }
        }
        match self.kind {
            Kind::Mysql => {
                let program = find("mariadb-install-db").expect("it comes with the server").join("mariadb-install-db");
                let mut command = Command::new(program);
                command.env(TEMPORARY, path);
                command.args(["--no-defaults", "--user=root", "--skip-test-db", "--skip-name-resolve"]);
                run(command
                    .arg("--auth-root-authentication-method=normal")
                    .arg(format!("--datadir={}", self.data().display())));
            }
            Kind::Postgres => {
                let mut command = self.tied("initdb");
                command.arg("-D").arg(self.data()).args(["-U", USER, "-A", "scram-sha-256", "--no-sync", "-E", "UTF8"]);
                run(command.arg("--locale=C.UTF-8").arg(format!("--pwfile={}", password.display())));
                let mut command = self.tied("postgres");
                command.args(["--single", "postgres", "-D"]).arg(self.data()).stdin(Stdio::piped());
                let mut single = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("postgres");
                let mut input = single.stdin.take().expect("its input");
                std::io::Write::write_all(&mut input, format!("CREATE DATABASE {DATABASE}\n").as_bytes())
                    .expect("a line");
                drop(input);
                assert!(single.wait().expect("it ends").success(), "the database is made");
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of its programs, which ends when the test does; as nobody, where it does not run as root.
    fn tied(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).current_dir(self.folder.path()).env(TEMPORARY, self.folder.path());
        if self.kind == Kind::Postgres && is_root() {
            command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()]);
        }
        command.arg(self.programs.join(program));
        command
    }

    fn wait(&mut self) {
        let end = Instant::now() + START_TIME_MAX;
        while !self.answers() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("its state"));
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < end, "{:?} does not start: {ended:?}: {}", self.kind, log());
            std::thread::park_timeout(LOOK_TIME);
        }
    }

    fn answers(&self) -> bool {
        match self.kind {
            // It listens once its first statements are done.
            Kind::Mysql => TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
            Kind::Postgres => {
                let mut command = Command::new(self.programs.join("pg_isready"));
                let command = command.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
                command.status().expect("pg_isready").success()
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// The folder of a program: on the path, or where Debian has servers.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin")).chain(["/usr/sbin".into()]);
    folders.chain(std::env::split_paths(&path)).find(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("this process").uid() == 0
}

fn run(command: &mut Command) {
    let output = command.output().expect("a program of the server");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
