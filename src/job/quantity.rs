//! Quantities, such as those of resources: a server writes them in another form than they were
//! sent in; pure.

use serde_json::Value;

/// The parts of a path that hold quantities.
const QUANTITIES: [&str; 5] = ["limits.", "requests.", "overhead.", "sizeLimit", "divisor"];

/// The suffixes and what they multiply by.
const SUFFIXES: [(&str, f64); 16] = [
    ("", 1.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

/// Whether a field holds quantities and two values of it are the same amount: a server writes `0.5`
/// as `500m`.
pub(super) fn same_quantity(path: &str, one: &Value, other: &Value) -> bool {
    if !QUANTITIES.iter().any(|part| path.contains(part)) {
        return false;
    }
    match (amount(one), amount(other)) {
        (Some(one), Some(other)) => (one - other).abs() <= one.abs().max(other.abs()) * 1e-12,
        _ => false,
    }
}

/// The amount that a quantity says (`k8s.io/apimachinery/pkg/api/resource`).
fn amount(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let end = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (digits, suffix) = text.split_at(end);
    let (_, factor) = SUFFIXES.iter().find(|(name, _)| *name == suffix)?;
    // `1e3` is read whole: its digits end the text.
    let digits: f64 = digits.parse().ok()?;
    Some(digits * factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_amount_has_many_forms() {
        for (one, other, is_same) in [
            (json!(0.5), json!("500m"), true),
            (json!(1), json!("1"), true),
            (json!("0.1"), json!("100m"), true),
            (json!("1024Mi"), json!("1Gi"), true),
            (json!("1e3"), json!("1k"), true),
            (json!("1E"), json!("1e18"), true),
            (json!("2"), json!("1"), false),
            (json!("1x"), json!("1x"), false),
            (json!(null), json!("0"), false),
        ] {
            assert_eq!(
                same_quantity("resources.limits.cpu", &one, &other),
                is_same,
                "{one} {other}"
            );
        }
        assert!(!same_quantity("parallelism", &json!(1), &json!("1")));
    }
}
