//! Creates namespaces that are missing.

use serde_json::{Value, json};

use super::{Connection, Error, WriteOptions, path};

impl Connection {
    /// Creates a namespace unless it exists.
    pub async fn ensure_namespace(&self, name: &str) -> Result<(), Error> {
        match self.get(&path::namespace(name)).await {
            Err(error) if error.is_not_found() || error.is_forbidden() => {
                self.create_namespace(name, WriteOptions::default()).await
            }
            found => found.map(drop),
        }
    }

    /// Asks the server, by a dry run, whether a namespace can be created.
    pub async fn try_namespace(&self, name: &str) -> Result<(), Error> {
        self.create_namespace(name, WriteOptions { dry_run: true, ..WriteOptions::default() }).await
    }

    async fn create_namespace(&self, name: &str, options: WriteOptions) -> Result<(), Error> {
        match self
            .create(&path::collection(path::CORE, None, "namespaces"), &namespace(name), options)
            .await
        {
            Err(error) if error.is_already_exists() => Ok(()),
            made => made.map(drop),
        }
    }
}

fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}
