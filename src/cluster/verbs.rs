//! The REST verbs, and the questions for every cluster: identity, version, rights. Objects stay
//! JSON values, so that unknown fields are kept.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::connection::{Call, Connection, Reading};
use super::error::{Cause, Error};
use super::field_validation::FieldValidation;
use super::items::Items;
use super::path;

/// The owner of the fields that are written.
pub const FIELD_MANAGER: &str = "kubectl-federate";

/// How many objects a list asks for at a time, as in client-go.
const PAGE: u32 = 500;

/// The most objects that a list may hold.
const MAX_OBJECTS: usize = 100_000;

/// The most pages that a list may come in. A server may send pages without objects.
const MAX_PAGES: usize = 2_000;

/// The most bytes that the pages of a list may hold together.
const MAX_LIST: usize = 256 << 20;

/// How an object is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// Whether this is a dry run: the server checks everything and stores nothing.
    pub dry_run: bool,
    /// What is done about an unknown field.
    pub field_validation: FieldValidation,
}

/// The object is stored, and unknown fields are warned of.
impl Default for WriteOptions {
    fn default() -> Self {
        Self { dry_run: false, field_validation: FieldValidation::Warn }
    }
}

/// How the dependents of a deleted object are deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    /// After the object.
    #[default]
    Background,
    /// Before the object.
    Foreground,
}

/// How an object is to be deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeleteOptions<'a> {
    /// How its dependents are deleted.
    pub propagation: Propagation,
    /// Only if it still has this uid.
    pub uid: Option<&'a str>,
    /// Only if it is still at this version.
    pub resource_version: Option<&'a str>,
    /// Whether this is a dry run: the server checks everything and deletes nothing.
    pub dry_run: bool,
}

/// What a user may be allowed to do (`ResourceAttributes` of `authorization.k8s.io/v1`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes<'a> {
    /// The verb, such as `patch`.
    pub verb: &'a str,
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The plural name of the resource.
    pub resource: &'a str,
    /// Empty for the resource itself.
    pub subresource: &'a str,
    /// Empty for all namespaces, and for resources without a namespace.
    pub namespace: &'a str,
    /// The name of an object; empty for all objects.
    pub name: &'a str,
}

impl Connection {
    /// The object at a path such as `/apis/batch/v1/namespaces/ns/jobs/pi`.
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.call(&Call::get(path)).await
    }

    /// All objects of a collection that a label selector matches (empty: all), each with
    /// `apiVersion` and `kind`, and without `metadata.managedFields`.
    ///
    /// The list is read in pages, at one resourceVersion. If that is compacted meanwhile (410), the
    /// list is read again as one page.
    ///
    /// # Errors
    /// [`Cause::TooLarge`] for more than 100,000 objects or 256 MiB, besides what any request can
    /// fail with.
    pub async fn list(&self, path: &str, selector: &str) -> Result<Vec<Value>, Error> {
        let type_of = |page: &mut Vec<Value>, version: &Value, kind: &str| {
            for fields in page.iter_mut().filter_map(Value::as_object_mut) {
                fields.entry("apiVersion").or_insert_with(|| version.clone());
                fields.entry("kind").or_insert_with(|| kind.into());
            }
        };
        self.list_of(path, selector, &Some, type_of).await
    }

    /// As [`Connection::list`], but of each object only what `read` makes of it is kept, and the
    /// objects lack `apiVersion` and `kind`. So there is never more than one of them in memory.
    ///
    /// # Errors
    /// As [`Connection::list`].
    pub async fn list_each<T: Send>(
        &self,
        path: &str,
        selector: &str,
        read: &(impl Fn(Value) -> Option<T> + Sync),
    ) -> Result<Vec<T>, Error> {
        self.list_of(path, selector, read, |_, _, _| {}).await
    }

    /// What `read` makes of the objects of a list. `type_of` gets what came with each page, and the
    /// `apiVersion` and `kind` of it.
    async fn list_of<T: Send>(
        &self,
        path: &str,
        selector: &str,
        read: &(impl Fn(Value) -> Option<T> + Sync),
        type_of: impl Fn(&mut Vec<T>, &Value, &str) + Sync,
    ) -> Result<Vec<T>, Error> {
        match self.pages(path, selector, PAGE, read, &type_of).await {
            Err(Error::Status { status, .. }) if status.code == 410 => {
                self.pages(path, selector, 0, read, &type_of).await
            }
            listed => listed,
        }
    }

    /// `limit` 0 asks for everything at once.
    async fn pages<T: Send>(
        &self,
        path: &str,
        selector: &str,
        limit: u32,
        read: &(impl Fn(Value) -> Option<T> + Sync),
        type_of: &(impl Fn(&mut Vec<T>, &Value, &str) + Sync),
    ) -> Result<Vec<T>, Error> {
        let too_large = |limit| Err(self.unreachable(Cause::TooLarge(limit)));
        let mut objects = Vec::new();
        let mut count = 0;
        let mut bytes = 0;
        let mut next = String::new();
        for _ in 0..MAX_PAGES {
            let query = list_query(selector, limit, &next);
            let items = Items { read, taken: Mutex::default() };
            let reading = Reading::Items(&items);
            let call = Call { reading, ..Call::get(&with_query(path, &query)) };
            let (answer, size) = self.call_sized(&call).await?;
            bytes += size;
            let page = Page::read(answer)
                .ok_or_else(|| self.unreachable(Cause::Other("the answer is not a list".into())))?;
            let mut taken = items.taken.into_inner().unwrap_or_else(PoisonError::into_inner);
            type_of(&mut taken.kept, &page.version, &page.kind);
            count += taken.count;
            objects.append(&mut taken.kept);
            if count > MAX_OBJECTS {
                return too_large("100,000 objects");
            }
            if page.next.is_empty() {
                return Ok(objects);
            }
            if page.next == next {
                return Err(self.unreachable(Cause::Other("the list does not go on".into())));
            }
            if bytes > MAX_LIST {
                return too_large("256 MiB");
            }
            next = page.next;
        }
        too_large("2,000 pages")
    }

    /// Creates an object in a collection such as `/api/v1/namespaces/ns/configmaps`, and returns it
    /// as stored.
    pub async fn create(
        &self,
        path: &str,
        object: &Value,
        options: WriteOptions,
    ) -> Result<Value, Error> {
        self.write(Method::POST, path, "application/json", object, options).await
    }

    /// Changes the object or subresource at a path by a JSON merge patch (RFC 7396).
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.patch_with(path, body, WriteOptions::default()).await
    }

    /// Changes the object at a path by a JSON patch (RFC 6902): by all operations, or, where a
    /// test among them fails, by none.
    pub async fn json_patch(
        &self,
        path: &str,
        operations: &Value,
        options: WriteOptions,
    ) -> Result<Value, Error> {
        self.write(Method::PATCH, path, "application/json-patch+json", operations, options).await
    }

    /// As [`Connection::patch`] in another way, such as a dry run. Gives the object as it is, or
    /// would be, stored.
    pub async fn patch_with(
        &self,
        path: &str,
        body: &Value,
        options: WriteOptions,
    ) -> Result<Value, Error> {
        self.write(Method::PATCH, path, "application/merge-patch+json", body, options).await
    }

    /// Deletes the object at a path, under the given preconditions. Returns a Status, or the object
    /// while it has finalizers.
    pub async fn delete(&self, path: &str, options: DeleteOptions<'_>) -> Result<Value, Error> {
        let mut body = json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": match options.propagation {
                Propagation::Background => "Background",
                Propagation::Foreground => "Foreground",
            },
        });
        if let Some(uid) = options.uid {
            body["preconditions"]["uid"] = uid.into();
        }
        if let Some(version) = options.resource_version {
            body["preconditions"]["resourceVersion"] = version.into();
        }
        if options.dry_run {
            body["dryRun"] = json!(["All"]);
        } else {
            self.writes();
        }
        let body = body.to_string().into();
        self.call(&Call {
            method: Method::DELETE,
            path: path.to_owned(),
            content_type: "application/json",
            body,
            reads: false,
            reading: Reading::Whole,
            identifies: false,
        })
        .await
    }

    async fn write(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: &Value,
        options: WriteOptions,
    ) -> Result<Value, Error> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("fieldManager", FIELD_MANAGER);
        query.append_pair("fieldValidation", options.field_validation.as_str());
        if options.dry_run {
            query.append_pair("dryRun", "All");
        } else {
            self.writes();
        }
        let kind = path::kind(path);
        let path = with_query(path, &query.finish());
        let body = body.to_string().into();
        let reading = Reading::Whole;
        let call =
            Call { method, path, content_type, body, reads: false, reading, identifies: false };
        let answer = self.call(&call).await?;
        match kind {
            Some((version, kind)) if answer["kind"] != kind || answer["apiVersion"] != version => {
                Err(self.unreachable(Cause::OtherKind { expected: kind }))
            }
            _ => Ok(answer),
        }
    }

    /// The identity of the cluster: the uid of its namespace `kube-system`. It is asked for once.
    pub async fn identity(&self) -> Result<String, Error> {
        self.inner.identity.get_or_try_init(|| self.ask_identity()).await.cloned()
    }

    async fn ask_identity(&self) -> Result<String, Error> {
        let asks = Call { identifies: true, ..Call::get(&path::namespace("kube-system")) };
        let namespace = self.call(&asks).await?;
        match namespace["metadata"]["uid"].as_str() {
            Some(uid) if !uid.is_empty() => Ok(uid.to_owned()),
            _ => Err(self.unreachable(Cause::Other("the namespace kube-system has no uid".into()))),
        }
    }

    /// Checks that this is the cluster with that uid (G7).
    ///
    /// # Errors
    /// [`Error::WrongCluster`] if it is another one.
    pub async fn verify(&self, uid: &str) -> Result<(), Error> {
        self.compare(uid, self.identity().await?)
    }

    /// As [`Connection::verify`], but asks the cluster again. For a connection in use for long.
    ///
    /// # Errors
    /// As [`Connection::verify`].
    pub async fn verify_again(&self, uid: &str) -> Result<(), Error> {
        self.compare(uid, self.ask_identity().await?)
    }

    fn compare(&self, uid: &str, found: String) -> Result<(), Error> {
        if found == uid {
            return Ok(());
        }
        Err(Error::WrongCluster {
            cluster: self.name().to_owned(),
            expected: uid.to_owned(),
            found,
        })
    }

    /// The server's version, such as `v1.36.3`. It is asked for once.
    pub async fn server_version(&self) -> Result<String, Error> {
        self.inner.version.get_or_try_init(|| self.ask_version()).await.cloned()
    }

    async fn ask_version(&self) -> Result<String, Error> {
        let version = self.get("/version").await?;
        match version["gitVersion"].as_str() {
            Some(version) => Ok(super::redact::printable(version)),
            None => {
                Err(self.unreachable(Cause::Other("the server does not say its version".into())))
            }
        }
    }

    /// Asks the server (`SelfSubjectAccessReview`) whether this user may do something.
    pub async fn allowed(&self, asked: &Attributes<'_>) -> Result<bool, Error> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": asked.verb,
                "group": asked.group,
                "resource": asked.resource,
                "subresource": asked.subresource,
                "namespace": asked.namespace,
                "name": asked.name,
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = self.review(path, &review, "SelfSubjectAccessReview").await?;
        Ok(answer["status"]["allowed"].as_bool().unwrap_or(false))
    }

    /// The same, asked once however many Jobs of a command need it. All that wait for the answer
    /// share it, also where there is none in time. What is refused may be granted later.
    pub async fn is_granted(&self, asked: &Attributes<'_>) -> Result<bool, Error> {
        let grants = || self.inner.grants.lock().unwrap_or_else(PoisonError::into_inner);
        let what = format!("{asked:?}");
        let grant = grants().entry(what.clone()).or_default().clone();
        let answer = grant.get_or_init(|| self.allowed(asked)).await.clone();
        if !matches!(answer, Ok(true)) {
            grants().remove(&what);
        }
        answer
    }

    /// Asks the server (`SelfSubjectReview`, since Kubernetes 1.28) which user this is. None if the
    /// answer has no name.
    pub async fn user_name(&self) -> Result<Option<String>, Error> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "SelfSubjectReview",
        });
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let answer = self.review(path, &review, "SelfSubjectReview").await?;
        let name = answer["status"]["userInfo"]["username"].as_str();
        Ok(name.filter(|name| !name.is_empty()).map(super::redact::printable))
    }

    /// Sends a review of a kind, which is answered and not stored.
    async fn review(&self, path: &str, review: &Value, kind: &'static str) -> Result<Value, Error> {
        let call = Call {
            method: Method::POST,
            path: path.to_owned(),
            content_type: "application/json",
            body: review.to_string().into(),
            reads: true,
            reading: Reading::Whole,
            identifies: false,
        };
        let answer = self.call(&call).await?;
        // What is no answer to the question must not be taken for a no.
        if answer["kind"] != kind || answer["apiVersion"] != review["apiVersion"] {
            return Err(self.unreachable(Cause::OtherKind { expected: kind }));
        }
        Ok(answer)
    }
}

impl Call<'_> {
    pub(super) fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            content_type: "",
            body: Bytes::new(),
            reads: true,
            reading: Reading::Whole,
            identifies: false,
        }
    }
}

/// One page of a list, without its items.
struct Page {
    version: Value,
    /// That of the items.
    kind: String,
    /// The token for the next page; empty on the last one.
    next: String,
}

impl Page {
    /// Reads an answer; `None` if it is not a list.
    fn read(mut answer: Value) -> Option<Self> {
        let version = answer["apiVersion"].take();
        let kind = answer["kind"].as_str()?.strip_suffix("List")?.to_owned();
        let next = answer["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        Some(Self { version, kind, next })
    }
}

fn list_query(selector: &str, limit: u32, token: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !selector.is_empty() {
        query.append_pair("labelSelector", selector);
    }
    if limit > 0 {
        query.append_pair("limit", &limit.to_string());
    }
    if !token.is_empty() {
        query.append_pair("continue", token);
    }
    query.finish()
}

pub(super) fn with_query(path: &str, query: &str) -> String {
    match query {
        "" => path.to_owned(),
        query if path.contains('?') => format!("{path}&{query}"),
        query => format!("{path}?{query}"),
    }
}
