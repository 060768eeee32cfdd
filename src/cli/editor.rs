//! The user's editor, found and run as kubectl does.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::process::Command;

use super::World;
use crate::error::{Error, Result};

/// How many editors run that this process waits for.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// An editor runs until this is dropped.
struct Running;

impl Running {
    fn begin() -> Self {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether an editor runs. Then Ctrl-C is meant for it, as it is where git runs one: many editors
/// have a use for it.
pub fn has_ctrl_c() -> bool {
    RUNNING.load(Ordering::SeqCst) > 0
}

/// A program that edits a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Editor {
    /// As the user wrote it.
    text: String,
    /// The words before the file's name.
    words: Vec<String>,
    /// Whether the last word is for a shell, which is to find the file's name at its end.
    shell: bool,
}

impl Editor {
    /// `KUBE_EDITOR`, `EDITOR`, or vi. Words are split at blanks; what has quotes goes to the
    /// user's shell.
    pub fn from_environment(world: &World) -> Self {
        let set = |name: &str| world.var(name).filter(|text| !text.is_empty());
        let text = set("KUBE_EDITOR").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_owned());
        let shell = text.contains(' ') && text.contains(['"', '\'', '\\']);
        let words = if shell {
            vec![
                set("SHELL").unwrap_or_else(|| "/bin/bash".to_owned()),
                "-c".to_owned(),
                text.clone(),
            ]
        } else {
            text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        Self { text, words, shell }
    }

    /// Edits a file, and waits until that is done.
    ///
    /// # Errors
    /// The editor cannot be run, or says that it failed.
    pub async fn edit(&self, file: &Path) -> Result<()> {
        let mut words = self.words.clone();
        if self.shell {
            let last = words.last_mut().expect("a shell has three words");
            last.push_str(" \"$1\"");
            // Behind a script a shell takes its own name, then its arguments.
            words.push("sh".to_owned());
        }
        let Some((program, arguments)) = words.split_first() else {
            return Err(Error::new("no editor defined"));
        };
        let running = Running::begin();
        let done = Command::new(program).args(arguments).arg(file).status().await;
        drop(running);
        match done {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => {
                Err(Error::new(format!("there was a problem with the editor {:?}", self.text)))
            }
            Err(_) => Err(Error::new(format!("unable to launch the editor {:?}", self.text))
                .hint("KUBE_EDITOR or EDITOR names another one.")),
        }
    }
}
