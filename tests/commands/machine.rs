//! The real binary, and simulated clusters on the network for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use sim::{Cluster, Kubelet, Server, User};
use tokio::runtime::Runtime;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_kubectl-federate");

/// The clusters' names.
pub const CLUSTERS: [&str; 3] = ["east", "west", "north"];

/// What authenticates the user everywhere, and must never be seen.
pub const TOKEN: &str = "t0p-s3cret";

/// A user's machine, with clusters on loopback that it can reach; their pods run until a test says
/// otherwise.
pub struct Machine {
    home: tempfile::TempDir,
    servers: Vec<Server>,
    // The servers run on it.
    _runtime: Runtime,
}

impl Machine {
    /// Clusters, and a kubeconfig with a context for each.
    pub fn new() -> io::Result<Self> {
        let runtime = Runtime::new()?;
        let servers = runtime.block_on(async {
            let mut servers = Vec::new();
            for name in CLUSTERS {
                let cluster = Cluster::builder(name).user(User::admin("admin", TOKEN)).build();
                cluster.run_by_itself(Kubelet::default());
                servers.push(cluster.serve().await?);
            }
            io::Result::Ok(servers)
        })?;
        let machine = Self { home: tempfile::tempdir()?, servers, _runtime: runtime };
        fs::create_dir(machine.path(".kube"))?;
        fs::write(machine.path(".kube/config"), sim::kubeconfig(&machine.servers))?;
        Ok(machine)
    }

    /// The same, with all clusters registered.
    pub fn federation() -> io::Result<Self> {
        let machine = Self::new()?;
        machine.succeeds("init")?;
        for cluster in CLUSTERS {
            machine.succeeds(&format!("cluster register {cluster}"))?;
        }
        Ok(machine)
    }

    /// A file in the home directory.
    pub fn path(&self, file: &str) -> PathBuf {
        self.home.path().join(file)
    }

    /// The servers.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// In how many clusters there is a Job of that name.
    pub fn jobs(&self, name: &str) -> usize {
        let there = |server: &&Server| server.cluster().get(&sim::JOBS, "default", name).is_some();
        self.servers.iter().filter(there).count()
    }

    /// A command line of the binary, in an environment of its own.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(BINARY);
        command.args(line.split_whitespace()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.home.path()).env("TERM", "xterm");
        command
    }

    /// Runs a command line.
    pub fn run(&self, line: &str) -> io::Result<Output> {
        self.command(line).output()
    }

    /// Runs a command line that must succeed.
    pub fn succeeds(&self, line: &str) -> io::Result<Output> {
        let output = self.run(line)?;
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        Ok(output)
    }
}

/// What a program printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The folder that the binary is in, for `PATH`.
pub fn folder() -> &'static Path {
    Path::new(BINARY).parent().expect("a binary is in a folder")
}
