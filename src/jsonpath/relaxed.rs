//! Paths without all that they need, as kubectl takes them for columns and for `--sort-by`.

/// The template of `metadata.name`, `.metadata.name`, `{metadata.name}` or `{.metadata.name}`.
///
/// # Errors
/// It is none of these, in kubectl's words.
pub fn relaxed(path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Ok(String::new());
    }
    let inner = path.strip_prefix('{').and_then(|path| path.strip_suffix('}')).unwrap_or(path);
    let inner = match inner.strip_prefix('.') {
        Some(rest) if !rest.is_empty() => rest,
        _ => inner,
    };
    if inner.is_empty() || inner.contains(['{', '}']) {
        return Err("unexpected path string, expected a 'name1.name2' or '.name1.name2' or \
                    '{name1.name2}' or '{.name1.name2}'"
            .to_owned());
    }
    Ok(format!("{{.{inner}}}"))
}
