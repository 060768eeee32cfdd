//! Files that only their owner can read, written as a whole.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Replaces a file, or makes it, in a folder that is there, readable by its owner alone. A full
/// disk or a kill leaves the old one. A symbolic link stays: what it leads to is replaced. A device
/// or a pipe is written to.
///
/// # Errors
/// There is no such folder, or it cannot be written to.
pub(super) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return OpenOptions::new().write(true).open(path)?.write_all(text);
    }
    let path = &behind_links(path);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".federate-").tempfile_in(directory)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// The path to which a symbolic link leads, also where nothing is there yet; any other path is
/// itself.
fn behind_links(path: &Path) -> PathBuf {
    let folder = || path.parent().unwrap_or(Path::new(""));
    let next = |_| fs::read_link(path).map(|target| folder().join(target));
    fs::canonicalize(path).or_else(next).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use std::{os::unix::fs::symlink, process::Command, thread};

    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_is_replaced_and_the_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        symlink("file", &link).unwrap();
        for text in ["made", "replaced"] {
            replace(&link, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_written_to_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = {
            let pipe = pipe.clone();
            thread::spawn(move || fs::read_to_string(pipe).unwrap())
        };
        replace(&pipe, b"text").unwrap();
        assert_eq!(reader.join().unwrap(), "text");
        assert!(!fs::metadata(&pipe).unwrap().is_file());
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(replace(folder.path(), b"text").is_err());
        assert!(folder.path().is_dir());
    }
}
