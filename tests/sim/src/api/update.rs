//! Replacing and patching objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Operation, State, Validation, WriteOptions, Written, decode};
use crate::kinds;
use crate::meta;
use crate::object;
use crate::patch;
use crate::resource::Resource;
use crate::schema;
use crate::status::Status;
use crate::store::Key;

/// A patch as a client sent it.
#[derive(Clone, Debug)]
pub(crate) enum Patch {
    Merge(Value),
    Strategic(Value),
    Json(Value),
}

impl State {
    /// Replaces an object, or its status.
    pub(crate) fn replace(
        &mut self,
        resource: &'static Resource,
        key: &Key,
        status: bool,
        mut body: Value,
        options: WriteOptions,
    ) -> Result<Written, Status> {
        let mut warnings = Vec::new();
        decode(resource, &mut body, options.validation, &mut warnings)?;
        if object::name(&body) != key.name {
            let why = format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                object::name(&body),
                key.name
            );
            return Err(Status::bad_request(why));
        }
        let old = self.found(resource, key)?;
        let (wanted, real) = (object::uid(&body), object::uid(&old));
        if !wanted.is_empty() && wanted != real {
            let at = format!("/registry/{}/{}/{}", resource.plural, key.namespace, key.name);
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: {at}, ResourceVersion: 0, \
                 AdditionalErrorMsg: \
                 Precondition failed: UID in precondition: {wanted}, UID in object meta: {real}"
            );
            return Err(Status::conflict(resource, &key.name, &why));
        }
        self.update(resource, &old, status, body, options, warnings)
    }

    /// Patches an object, or its status.
    pub(crate) fn patch(
        &mut self,
        resource: &'static Resource,
        key: &Key,
        status: bool,
        patch: &Patch,
        options: WriteOptions,
    ) -> Result<Written, Status> {
        let old = self.found(resource, key)?;
        let mut body = (*old).clone();
        match patch {
            Patch::Merge(patch) => patch::merge(&mut body, patch),
            Patch::Strategic(patch) => patch::strategic(resource.kind, &mut body, patch),
            Patch::Json(patch) => {
                // Which operation it was that does not apply is not told.
                let why = "the server rejected our request due to an error in our request";
                patch::json(&mut body, patch).map_err(|_| Status::new(422, "Invalid", why))?;
            }
        }
        let mut warnings = Vec::new();
        let text = body.to_string();
        let refuse = |why: &str| {
            let sentence = format!("Invalid value: {text:?}: {why}");
            let mut refusal =
                Status::new(422, "Invalid", format!(" \"\" is invalid: patch: {sentence}"));
            refusal.details = json!({"causes": [{"reason": "FieldValueInvalid",
                "message": sentence, "field": "patch"}]});
            Err(refusal)
        };
        match schema::decode(resource.kind, &mut body) {
            Err(why) => return refuse(&why),
            Ok(strict) if options.validation == Validation::Strict && !strict.is_empty() => {
                return refuse(&format!("strict decoding error: {}", strict.join(", ")));
            }
            Ok(strict) if options.validation == Validation::Warn => warnings.extend(strict),
            Ok(_) => {}
        }
        self.update(resource, &old, status, body, options, warnings)
    }

    fn found(&self, resource: &'static Resource, key: &Key) -> Result<Arc<Value>, Status> {
        self.store.get(resource, key).cloned().ok_or_else(|| Status::not_found(resource, &key.name))
    }

    fn update(
        &mut self,
        resource: &'static Resource,
        old: &Arc<Value>,
        status: bool,
        mut body: Value,
        options: WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Written, Status> {
        let name = object::name(old).to_owned();
        let version = object::text(&body, "/metadata/resourceVersion").to_owned();
        if version.is_empty() {
            object::copy(&mut body, old, &["metadata", "resourceVersion"]);
        } else if version != object::text(old, "/metadata/resourceVersion") {
            return Err(Status::modified(resource, &name));
        }
        if object::namespace(&body).is_empty() {
            object::copy(&mut body, old, &["metadata", "namespace"]);
        }
        if object::uid(&body).is_empty() {
            object::copy(&mut body, old, &["metadata", "uid"]);
        }
        for kept in
            ["generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"]
        {
            object::copy(&mut body, old, &["metadata", kept]);
        }
        if !status {
            self.mutate(resource, Operation::Update, &mut body)?;
        }
        self.drop_scheduling(resource, &mut body, old);
        kinds::prepare_update(self.kubernetes, resource, &mut body, old, status);
        let mut errors = meta::validate(resource, &body);
        // A real server applies these twice, for all kinds and for each kind, and lists them as
        // often.
        errors.extend(meta::validate_update(&body, old));
        errors.extend(meta::validate_update(&body, old));
        kinds::validate_update(self.kubernetes, resource, &body, old, status, &mut errors);
        if !errors.is_empty() {
            return Err(Status::invalid(resource, &name, &errors));
        }
        if !status {
            self.check_policies(resource, Operation::Update, &body)?;
            self.check_queue(resource, &body, old)?;
        }
        kinds::finish(resource, &mut body);
        if object::deleting(&body)
            && object::items(&body, "/metadata/finalizers").is_empty()
            && object::number(&body, "/metadata/deletionGracePeriodSeconds").unwrap_or_default()
                == 0
            && kinds::may_vanish(resource, &body)
        {
            if !options.dry_run {
                self.store.remove(resource, &Key::of(&body));
            }
            return Ok(Written { object: body, warnings, created: false });
        }
        let object = if options.dry_run || body == **old {
            body
        } else {
            (*self.store.put(resource, body)).clone()
        };
        Ok(Written { object, warnings, created: false })
    }
}
