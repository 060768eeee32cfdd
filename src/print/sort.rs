//! `--sort-by`: the order of objects by what a path leads to, as kubectl has it.

use std::cmp::Ordering;

use serde_json::Value;

use crate::jsonpath::{Found, JsonPath, go, relaxed};

/// For what objects are ordered. A table takes templates that are no single path, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// A table.
    Table,
    /// Objects or their names.
    Objects,
}

/// The positions of the objects in the order of a path, such as `.metadata.name`. Those in which
/// it leads nowhere are first.
///
/// # Errors
/// It is no path, leads nowhere in any object, or to what has no order.
pub fn order(objects: &[Value], by: &str, listing: Listing) -> Result<Vec<usize>, String> {
    let is_table = listing == Listing::Table;
    let text = match relaxed(by) {
        Err(_) if is_table => by.to_owned(),
        relaxed => relaxed?,
    };
    let path = JsonPath::parse(&text)
        .map_err(|why| if is_table { format!("sorting error: {why}") } else { why })?;
    let first = |object| {
        let found = path.find(object)?;
        Ok::<_, String>(found.first().and_then(|results| results.first().copied()))
    };
    let keys = objects.iter().map(first).collect::<Result<Vec<_>, _>>()?;
    if keys.iter().all(Option::is_none) && !keys.is_empty() {
        let path = go::quoted(&text);
        return Err(format!("couldn't find any field with path {path} in the list of objects"));
    }
    let mut order: Vec<usize> = (0..keys.len()).collect();
    // Objects in which the path leads nowhere come before each other, which is no order that a
    // library sorts by. kubectl sorts as many as a person reads in this way.
    for end in 1..order.len() {
        for at in (1..=end).rev() {
            let (left, right) = (&keys[order[at - 1]], &keys[order[at]]);
            let is_less = match (right, left) {
                (None, _) => true,
                (_, None) => false,
                (Some(right), Some(left)) => is_less(right, left)
                    .map_err(|why| format!("Field {text} is an unsortable type: {why}"))?,
            };
            if !is_less {
                break;
            }
            order.swap(at - 1, at);
        }
    }
    Ok(order)
}

/// Whether one value is before another.
fn is_less(one: &Found<'_>, other: &Found<'_>) -> Result<bool, String> {
    match (one, other) {
        (_, Found::Value(Value::Null)) => Ok(false),
        (Found::Value(Value::Null), _) => Ok(true),
        (Found::Value(Value::String(one)), Found::Value(Value::String(other))) => {
            match (Quantity::parse(one), Quantity::parse(other)) {
                (Some(one), Some(other)) => Ok(one.order(&other) == Some(Ordering::Less)),
                _ => Ok(one < other),
            }
        }
        (Found::Value(Value::Bool(_) | Value::Array(_) | Value::Object(_)), _) => {
            Err(one.type_name().to_owned())
        }
        _ if one.type_name() != other.type_name() => {
            Err(format!("{} beside {}", one.type_name(), other.type_name()))
        }
        _ => one.compares("<", *other),
    }
}

/// A quantity of Kubernetes, such as `500m` or `2Gi`: digits, a scale, and in which base.
struct Quantity {
    /// The digits as a whole number, if they are one that fits and nothing scales it.
    whole: Option<i128>,
    value: f64,
}

impl Quantity {
    /// Reads one by the rules of `resource.ParseQuantity`, by which the digits may be missing.
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let is_digit = |c: char| c.is_ascii_digit();
        let length = unsigned.find(|c| !is_digit(c)).unwrap_or(unsigned.len());
        let (digits, rest) = unsigned.split_at(length);
        let (decimals, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(rest.find(|c| !is_digit(c)).unwrap_or(rest.len())),
            None => ("", rest),
        };
        let scale = scale(suffix)?;
        let number: f64 = format!("0{digits}.{decimals}0").parse().ok()?;
        let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
        let whole = if suffix.is_empty() && decimals.is_empty() {
            format!("0{digits}").parse::<i128>().ok().map(|whole| whole * sign as i128)
        } else {
            None
        };
        Some(Self { whole, value: sign * number * scale })
    }

    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self.whole, other.whole) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            _ => self.value.partial_cmp(&other.value),
        }
    }
}

/// What a suffix multiplies by.
fn scale(suffix: &str) -> Option<f64> {
    const DECIMAL: [(&str, i32); 10] = [
        ("n", -9),
        ("u", -6),
        ("m", -3),
        ("", 0),
        ("k", 3),
        ("M", 6),
        ("G", 9),
        ("T", 12),
        ("P", 15),
        ("E", 18),
    ];
    const BINARY: [(&str, i32); 6] =
        [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
    let of = |table: &[(&str, i32)]| table.iter().find(|(name, _)| *name == suffix).map(|it| it.1);
    if let Some(power) = of(&DECIMAL) {
        return Some(10f64.powi(power));
    }
    if let Some(power) = of(&BINARY) {
        return Some(2f64.powi(power));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some(10f64.powi(exponent))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ordered(values: &[Value], by: &str) -> Result<Vec<usize>, String> {
        let objects: Vec<_> = values.iter().map(|value| json!({ "x": value })).collect();
        order(&objects, by, Listing::Table)
    }

    #[test]
    fn values_are_ordered_by_their_type() {
        for (values, expected) in [
            (json!(["b", "a", "B"]), vec![2, 1, 0]),
            (json!(["10", "9", "1Ki", "500m"]), vec![3, 1, 0, 2]),
            (json!(["job-10", "job-9"]), vec![0, 1]),
            (json!([10, 9, -1]), vec![2, 1, 0]),
            (json!([1.5, 0.5, 1e9]), vec![1, 0, 2]),
            (json!([1, null, 0]), vec![1, 2, 0]),
            (json!(["same", "same"]), vec![0, 1]),
        ] {
            let values = values.as_array().expect("a list");
            assert_eq!(ordered(values, ".x"), Ok(expected.clone()), "{values:?}");
            assert_eq!(ordered(values, "{x}"), Ok(expected), "{values:?}");
        }
        let some = [json!({"x": 2}), json!({}), json!({"x": 1})];
        assert_eq!(order(&some, "x", Listing::Table), Ok(vec![1, 2, 0]));
    }

    #[test]
    fn what_has_no_order_is_refused() {
        let nowhere = "couldn't find any field with path \"{.y}\" in the list of objects";
        assert_eq!(ordered(&[json!(1)], "y"), Err(nowhere.to_owned()));
        assert_eq!(ordered(&[], "y"), Ok(Vec::new()));
        for (values, by, why) in [
            (json!([true, false]), "x", "Field {.x} is an unsortable type: bool"),
            (json!([1, "a"]), "x", "Field {.x} is an unsortable type: string beside int64"),
            (json!([1]), "{x", "sorting error: unclosed action"),
            (json!([[1]]), "x[3]", "array index out of bounds: index 3, length 1"),
        ] {
            assert_eq!(ordered(values.as_array().expect("a list"), by), Err(why.to_owned()));
        }
        let objects = [json!({"x": 1})];
        let why = order(&objects, "{x", Listing::Objects).expect_err("no path");
        assert!(why.starts_with("unexpected path string"), "{why}");
    }
}
