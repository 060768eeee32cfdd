//! Who may do what: bearer tokens, and a predicate for each user.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::http::RequestInfo;
use crate::status::Status;

/// What a user asks to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The verb, such as `create`.
    pub verb: String,
    /// The API group, empty for the core group.
    pub group: String,
    /// The plural name of the resource.
    pub resource: String,
    /// The subresource, mostly empty.
    pub subresource: String,
    /// The namespace, empty for all of them and for what has none.
    pub namespace: String,
    /// The object's name, empty for lists and creations.
    pub name: String,
}

type Allow = Arc<dyn Fn(&Access) -> bool + Send + Sync>;

/// A user, known by a token.
#[derive(Clone)]
pub struct User {
    name: String,
    token: String,
    allow: Allow,
}

impl User {
    /// A user who may do what the predicate allows. Discovery, health and reviews of one's own
    /// rights need no right.
    pub fn new(
        name: impl Into<String>,
        token: impl Into<String>,
        allow: impl Fn(&Access) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), token: token.into(), allow: Arc::new(allow) }
    }

    /// A user who may do everything.
    pub fn admin(name: impl Into<String>, token: impl Into<String>) -> Self {
        Self::new(name, token, |_| true)
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The user's bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The name of the user that a token belongs to. Where there are no users, anybody is let in, with
/// no name.
pub(crate) fn authenticate(users: &[User], token: Option<&str>) -> Option<String> {
    if users.is_empty() {
        return Some(String::new());
    }
    users.iter().find(|u| Some(u.token.as_str()) == token).map(|u| u.name.clone())
}

/// Whether the user may do what a request asks for.
pub(crate) fn authorize(users: &[User], info: &RequestInfo) -> Result<(), Status> {
    let Some(user) = users.iter().find(|u| u.name == info.user) else { return Ok(()) };
    let Some(resource) = info.kind.filter(|r| r.stored()) else { return Ok(()) };
    let access = Access {
        verb: info.verb.to_owned(),
        group: info.group.clone(),
        resource: info.resource.clone(),
        subresource: info.subresource.clone(),
        // A namespace is a namespaced question about itself.
        namespace: if resource.namespaced { info.namespace.clone() } else { info.name.clone() },
        name: info.name.clone(),
    };
    if (user.allow)(&access) {
        return Ok(());
    }
    let what = if access.subresource.is_empty() {
        access.resource.clone()
    } else {
        format!("{}/{}", access.resource, access.subresource)
    };
    let place = if access.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", access.namespace)
    };
    let why = format!(
        "User {:?} cannot {} resource {what:?} in API group {:?} {place}",
        user.name, access.verb, access.group
    );
    Err(Status::forbidden(resource, &access.name, &why))
}

/// Answers a `SelfSubjectReview`.
pub(crate) fn identity(name: &str) -> Value {
    json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {},
        "status": {"userInfo": {"username": name, "groups": ["system:authenticated"]}},
    })
}

/// Answers a `SelfSubjectAccessReview`.
pub(crate) fn review(users: &[User], name: &str, mut review: Value) -> Value {
    let asked = &review["spec"]["resourceAttributes"];
    let part = |field: &str| asked[field].as_str().unwrap_or_default().to_owned();
    let access = Access {
        verb: part("verb"),
        group: part("group"),
        resource: part("resource"),
        subresource: part("subresource"),
        namespace: part("namespace"),
        name: part("name"),
    };
    let user = users.iter().find(|u| u.name == name);
    let allowed = asked.is_null() || user.is_none_or(|u| (u.allow)(&access));
    review["kind"] = "SelfSubjectAccessReview".into();
    review["apiVersion"] = "authorization.k8s.io/v1".into();
    if !review["metadata"].is_object() {
        review["metadata"] = json!({});
    }
    review["status"] = json!({"allowed": allowed});
    review
}
