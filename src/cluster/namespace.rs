//! Namespaces, made where they are missing.

use serde_json::{Value, json};

use super::{Connection, Error, WriteOptions};

const PATH: &str = "/api/v1/namespaces";

impl Connection {
    /// Makes a namespace unless it is there.
    pub async fn ensure_namespace(&self, name: &str) -> Result<(), Error> {
        match self.get(&format!("{PATH}/{name}")).await {
            Err(error) if error.is_not_found() || error.is_forbidden() => {
                self.create_namespace(name, WriteOptions::default()).await
            }
            found => found.map(drop),
        }
    }

    /// Whether a namespace could be made: a server dry run.
    pub async fn try_namespace(&self, name: &str) -> Result<(), Error> {
        self.create_namespace(name, WriteOptions { dry_run: true, ..WriteOptions::default() }).await
    }

    async fn create_namespace(&self, name: &str, options: WriteOptions) -> Result<(), Error> {
        match self.create(PATH, &namespace(name), options).await {
            Err(error) if error.is_already_exists() => Ok(()),
            made => made.map(drop),
        }
    }
}

fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}
