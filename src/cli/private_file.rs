//! Files that only their owner can read, written as a whole.

use std::{
    io::{self, Write as _},
    path::Path,
};

/// Replaces a file, or makes it, in a folder that is there, readable by its owner alone. A full
/// disk or a kill leaves the old one.
///
/// # Errors
/// There is no such folder, or it cannot be written to.
pub(super) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".federate-").tempfile_in(directory)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
