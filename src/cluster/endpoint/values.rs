//! Values of kubeconfigs and flags: the empty ones count as absent.

use std::path::PathBuf;

use base64::Engine as _;

use crate::cluster::{error::Error, tls::Material};

/// A text, unless it is empty.
pub(super) fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// A path, unless it is empty.
pub(super) fn some_path(path: Option<&PathBuf>) -> Option<&PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

/// Inline data, or a file.
pub(super) fn material(
    data: Option<&str>,
    file: Option<&PathBuf>,
    what: &str,
) -> Result<Option<Material>, Error> {
    if let Some(data) = filled(data) {
        let compact: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(compact)
            .map_err(|_| Error::configuration(format!("{what} is not base64")))?;
        return Ok(Some(Material::Inline(bytes.into())));
    }
    Ok(some_path(file).map(|path| Material::File(path.clone())))
}
