//! The credentials of a request in the words of its server, who may quote them: they are masked
//! wherever these words are shown.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// The text in place of a secret, as in kubectl.
pub(super) const MASKED: &str = "<masked>";

/// A shorter secret stays in an error: it is found in ordinary words, too.
const SHORTEST: usize = 5;

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
        mask(self.0.iter().filter(|secret| secret.len() >= SHORTEST), text)
    }
}

fn mask<'t, 's>(secrets: impl Iterator<Item = &'s String>, text: &'t str) -> Cow<'t, str> {
    secrets.fold(Cow::Borrowed(text), |text, secret| {
        if text.contains(secret.as_str()) { text.replace(secret, MASKED).into() } else { text }
    })
}

#[cfg(test)]
mod tests {
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
    fn a_short_secret_leaves_the_words_of_an_error() {
        let text = "jobs.batch is forbidden: a";
        assert_eq!(secrets("Bearer a").masked_in_words(text), text);
        assert_eq!(secrets("Bearer batch").masked_in_words(text), "jobs.<masked> is forbidden: a");
    }
}
