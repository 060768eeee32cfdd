//! The archive and the manifest, as krew's own programs and the real kubectl take them.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use libtest_mimic::Failed;
use real::Installers;

use crate::{HOMEPAGE, ROOT, pages, release};

const PLATFORM: &str = "linux/amd64";

/// What is packed, and where it is installed.
struct Place {
    folder: tempfile::TempDir,
    archive: PathBuf,
    manifest: PathBuf,
}

impl Place {
    /// The archive that is to be released, with the manifest beside it; else one of the binary
    /// under test.
    fn new() -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        if let Some(archive) = release::archive() {
            let manifest = archive.with_file_name("federate.yaml");
            return Ok(Self { folder, archive, manifest });
        }
        // The names of its functions would be most of the archive.
        let binary = folder.path().join("kubectl-federate");
        let built = env!("CARGO_BIN_EXE_kubectl-federate");
        succeeded(&Command::new("strip").arg("-o").arg(&binary).arg(built).output()?);
        let version = concat!("v", env!("CARGO_PKG_VERSION"));
        let man = folder.path().join("pages");
        fs::create_dir(&man)?;
        for (name, page) in pages::pages() {
            fs::write(man.join(name), page)?;
        }
        let packed = Command::new(Path::new(ROOT).join("krew/pack"))
            .arg(&binary)
            .args([PLATFORM, version, HOMEPAGE])
            .arg(&man)
            .current_dir(&folder)
            .output()?;
        let printed = succeeded(&packed);
        let archive = printed.split_whitespace().nth(1).map(|name| folder.path().join(name));
        let manifest = folder.path().join("dist/federate.yaml");
        Ok(Self { archive: archive.ok_or(printed)?, manifest, folder })
    }

    /// A program that finds nothing of this machine but krew's folder and the programs beside it.
    fn command(&self, program: &Path) -> io::Result<Command> {
        let krew = self.folder.path().join("krew");
        fs::create_dir_all(&krew)?;
        let folders = [krew.join("bin"), "/usr/bin".into(), "/bin".into()];
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("KREW_ROOT", krew)
            .env("KREW_NO_UPGRADE_CHECK", "1")
            .env("PATH", env::join_paths(folders).map_err(io::Error::other)?);
        Ok(command)
    }
}

/// What a program that succeeded printed, both streams.
fn succeeded(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    printed
}

/// krew's index takes the manifest; krew installs the archive by it and shows what is to be done
/// next; kubectl runs what was installed.
pub fn install(programs: &Installers) -> Result<(), Failed> {
    let place = Place::new()?;
    let mut validate = place.command(&programs.validate)?;
    let manifest = format!("-manifest={}", place.manifest.display());
    succeeded(&validate.args([&manifest, "-skip-install"]).output()?);

    let mut krew = place.command(&programs.krew)?;
    let (manifest, archive) = (place.manifest.display(), place.archive.display());
    krew.args(["install", &format!("--manifest={manifest}"), &format!("--archive={archive}")]);
    let told = succeeded(&krew.output()?);
    for line in ["Installed plugin: federate", "kubectl federate completion install"] {
        assert!(told.contains(line), "{told}");
    }

    let mut kubectl = place.command(&programs.kubectl)?;
    let version = succeeded(&kubectl.args(["federate", "version", "--client"]).output()?);
    let expected = concat!("Client Version: v", env!("CARGO_PKG_VERSION"), "\n");
    assert!(version.starts_with(expected), "{version}");

    let page = "krew/store/federate/VERSION/man/man1/kubectl-federate-job-create.1";
    let page = page.replace("VERSION", concat!("v", env!("CARGO_PKG_VERSION")));
    assert!(place.folder.path().join(&page).is_file(), "{page}");

    let mut list = place.command(&programs.kubectl)?;
    let plugins = succeeded(&list.args(["plugin", "list"]).output()?);
    assert!(plugins.contains("krew/bin/kubectl-federate"), "{plugins}");
    Ok(())
}
