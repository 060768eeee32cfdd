//! Creating objects.

use serde_json::Value;

use super::{Operation, State, WriteOptions, Written, decode};
use crate::kinds;
use crate::meta;
use crate::object;
use crate::resource::{NAMESPACES, Resource};
use crate::status::Status;
use crate::store::Key;

impl State {
    /// Creates an object in a namespace, empty for kinds that have none.
    pub(crate) fn create(
        &mut self,
        resource: &'static Resource,
        namespace: &str,
        mut body: Value,
        options: WriteOptions,
    ) -> Result<Written, Status> {
        let mut warnings = Vec::new();
        decode(resource, &mut body, options.validation, &mut warnings)?;
        self.admit(resource, namespace, &mut body)?;
        if !object::text(&body, "/metadata/resourceVersion").is_empty() {
            return Err(Status::new(
                500,
                "",
                "resourceVersion should not be set on objects to be created",
            ));
        }
        self.mutate(resource, Operation::Create, &mut body)?;
        self.queue_new(resource, &mut body);
        self.identify(resource, &mut body);
        self.drop_scheduling(resource, &mut body, &Value::Null);
        kinds::prepare_create(self.kubernetes, resource, &mut body);
        let name = object::name(&body).to_owned();
        let mut errors = meta::validate(resource, &body);
        kinds::validate_create(resource, &body, &mut errors);
        if !errors.is_empty() {
            return Err(Status::invalid(resource, &name, &errors));
        }
        self.check_policies(resource, Operation::Create, &body)?;
        warnings.extend(kinds::warnings(resource, &body));
        let key = Key::of(&body);
        if self.store.get(resource, &key).is_some() {
            return Err(Status::already_exists(resource, &name));
        }
        self.charge(resource, namespace, &name)?;
        kinds::finish(resource, &mut body);
        let object = if options.dry_run { body } else { (*self.store.put(resource, body)).clone() };
        Ok(Written { object, warnings, created: true })
    }

    /// Whether a quota of the namespace leaves room for the object: as a `ResourceQuota` whose only
    /// limit is one on `pods`, which counts those that have not ended.
    fn charge(&self, resource: &Resource, namespace: &str, name: &str) -> Result<(), Status> {
        let Some(limit) = self.pod_quotas.get(namespace).filter(|_| resource.kind == "Pod") else {
            return Ok(());
        };
        let ended =
            |pod: &Value| matches!(object::text(pod, "/status/phase"), "Succeeded" | "Failed");
        let used = self.store.list(resource, namespace).iter().filter(|pod| !ended(pod)).count();
        if used < *limit {
            return Ok(());
        }
        let why = format!(
            "exceeded quota: pods, requested: pods=1, used: pods={used}, limited: pods={limit}"
        );
        Err(Status::forbidden(resource, name, &why))
    }

    /// Whether the namespace is there and takes new objects; the object is put into it.
    fn admit(&self, resource: &Resource, namespace: &str, body: &mut Value) -> Result<(), Status> {
        if !resource.namespaced {
            return Ok(());
        }
        let given = object::namespace(body);
        if !given.is_empty() && given != namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the \
                 request",
            ));
        }
        object::put(body, &["metadata", "namespace"], namespace);
        let Some(found) = self.store.get(&NAMESPACES, &Key::new("", namespace)) else {
            return Err(Status::not_found(&NAMESPACES, namespace));
        };
        if object::deleting(found) {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being \
                 terminated"
            );
            let mut status = Status::forbidden(resource, object::name(body), &why);
            status.details["causes"] = serde_json::json!([{
                "reason": "NamespaceTerminating",
                "message": format!("namespace {namespace} is being terminated"),
                "field": "metadata.namespace",
            }]);
            return Err(status);
        }
        Ok(())
    }

    /// Gives a new object its name, where it is to be generated, its uid and its times.
    fn identify(&mut self, resource: &Resource, body: &mut Value) {
        let prefix = object::text(body, "/metadata/generateName").to_owned();
        if object::name(body).is_empty() && !prefix.is_empty() {
            let kept: String = prefix.chars().take(58).collect();
            let name = format!("{kept}{}", self.random.suffix());
            object::put(body, &["metadata", "name"], name);
        }
        for gone in [
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "generation",
        ] {
            object::take(body, &["metadata", gone]);
        }
        object::put(body, &["metadata", "uid"], self.random.uid());
        object::put(body, &["metadata", "creationTimestamp"], object::time(self.now()));
        let counted = match resource.kind {
            "Job" => true,
            "Pod" => self.kubernetes.has_pod_generations(),
            _ => false,
        };
        if counted {
            object::put(body, &["metadata", "generation"], 1);
        }
    }
}
