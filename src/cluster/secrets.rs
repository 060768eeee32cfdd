//! The credentials of a request in the words of its server, who may quote them: they are masked
//! wherever these words are shown, or become part of the state.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde_json::Value;

/// The text in place of a secret, as in kubectl.
pub(super) const MASKED: &str = "<masked>";

/// A shorter secret stays in an error: it is found in ordinary words, too.
const SHORTEST: usize = 5;

/// A shorter secret stays in what identifies something, or has a meaning for decisions.
const UNMISTAKABLE: usize = 16;

/// The fields of an object that hold words for people: of conditions, of events, of containers that
/// wait, and who asks.
const WORDS: [&str; 3] = ["message", "note", "username"];

/// The fields that identify an object, or say in one word what has become of it.
const MARKS: [&str; 2] = ["reason", "uid"];

/// The fields that hold what users wrote: a secret there is their own.
const USERS: [&str; 5] = ["spec", "data", "binaryData", "annotations", "labels"];

/// What a server may quote of an `Authorization` header.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// The token, or the password and what is sent of it.
    pub fn of(header: Option<&HeaderValue>) -> Self {
        let text = header.map(|value| String::from_utf8_lossy(value.as_bytes()));
        let text = text.as_deref().unwrap_or_default();
        let (scheme, sent) = text.split_once(' ').unwrap_or(("", text));
        let login = (scheme == "Basic").then(|| STANDARD.decode(sent).ok()).flatten();
        let login = login.and_then(|login| String::from_utf8(login).ok());
        let password = login.as_deref().and_then(|login| Some(login.split_once(':')?.1));
        // A body is JSON, where a password may have escapes.
        let quoted = password.map(|password| serde_json::Value::from(password).to_string());
        let quoted = quoted.as_deref().map(|quoted| &quoted[1..quoted.len() - 1]);
        let all = [Some(sent), password, quoted].into_iter().flatten();
        Self(all.filter(|secret| !secret.is_empty()).map(str::to_owned).collect())
    }

    /// A text without them.
    pub fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        mask(self.0.iter(), text)
    }

    /// The text of an error without those that are long enough to be told from ordinary words.
    pub fn masked_in_words<'t>(&self, text: &'t str) -> Cow<'t, str> {
        mask(self.longer(SHORTEST), text)
    }

    /// Masks them in what an object says about itself. What users wrote stays.
    pub fn mask_told(&self, object: &mut Value) {
        match object {
            _ if self.0.is_empty() => {}
            Value::Object(fields) => {
                let told = fields.iter_mut().filter(|(key, _)| !USERS.contains(&key.as_str()));
                for (key, value) in told {
                    match value {
                        Value::String(text) if WORDS.contains(&key.as_str()) => {
                            replace(text, self.longer(SHORTEST));
                        }
                        Value::String(text) if MARKS.contains(&key.as_str()) => {
                            replace(text, self.longer(UNMISTAKABLE));
                        }
                        value => self.mask_told(value),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_told(item)),
            _ => {}
        }
    }

    /// Those that are so long at least.
    fn longer(&self, least: usize) -> impl Iterator<Item = &String> {
        self.0.iter().filter(move |secret| secret.len() >= least)
    }
}

fn replace<'s>(text: &mut String, secrets: impl Iterator<Item = &'s String>) {
    if let Cow::Owned(masked) = mask(secrets, text) {
        *text = masked;
    }
}

fn mask<'t, 's>(secrets: impl Iterator<Item = &'s String>, text: &'t str) -> Cow<'t, str> {
    secrets.fold(Cow::Borrowed(text), |text, secret| {
        if text.contains(secret.as_str()) { text.replace(secret, MASKED).into() } else { text }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secrets(header: &str) -> Secrets {
        Secrets::of(Some(&HeaderValue::from_str(header).expect("a header's value")))
    }

    #[test]
    fn what_is_quoted_of_a_header_is_masked() {
        let basic = format!("Basic {}", STANDARD.encode("jane:p\"ssw:rd"));
        for (header, text, masked) in [
            ("Bearer s3cret", "Bearer s3cret, s3cret", "Bearer <masked>, <masked>"),
            (
                basic.as_str(),
                "jane has p\"ssw:rd, as \"p\\\"ssw:rd\"",
                "jane has <masked>, as \"<masked>\"",
            ),
            (basic.as_str(), &basic, "Basic <masked>"),
            ("odd", "an odd header", "an <masked> header"),
            ("Bearer ", "nothing", "nothing"),
        ] {
            assert_eq!(secrets(header).masked(text), masked, "{header}");
        }
        assert_eq!(Secrets::of(None).masked("nothing"), "nothing");
    }

    #[test]
    fn what_an_object_says_of_itself_has_no_secret_and_what_users_wrote_stays() {
        let told = |secret: &str| {
            json!({
                "metadata": {"name": secret, "uid": secret, "annotations": {"message": secret}},
                "spec": {"message": secret},
                "status": {
                    "conditions": [{"type": secret, "reason": secret, "message": secret}],
                    "userInfo": {"username": secret},
                },
                "message": secret,
            })
        };
        let long = "a token that is not mistaken";
        let mut object = told(long);
        secrets(&format!("Bearer {long}")).mask_told(&mut object);
        let mut expected = told(long);
        for masked in [
            "/metadata/uid",
            "/status/conditions/0/reason",
            "/status/conditions/0/message",
            "/status/userInfo/username",
            "/message",
        ] {
            *expected.pointer_mut(masked).expect("a field") = MASKED.into();
        }
        assert_eq!(object, expected);
        let mut object = told("Failed");
        secrets("Bearer Failed").mask_told(&mut object);
        let condition = json!({"type": "Failed", "reason": "Failed", "message": MASKED});
        assert_eq!(object["status"]["conditions"][0], condition);
    }

    #[test]
    fn a_short_secret_leaves_the_words_of_an_error() {
        let text = "jobs.batch is forbidden: a";
        assert_eq!(secrets("Bearer a").masked_in_words(text), text);
        assert_eq!(secrets("Bearer batch").masked_in_words(text), "jobs.<masked> is forbidden: a");
    }
}
