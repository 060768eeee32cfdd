use super::*;

const REGISTERED: [&str; 3] = ["east", "gce-us-central1", "west"];

fn refused(annotation: &str) -> String {
    let message = Preferences::parse(annotation, &REGISTERED).expect_err(annotation).to_string();
    let annotation = "metadata.annotations[federation.kubernetes.io/job-preferences]: ";
    message.strip_prefix(annotation).expect("every error names the annotation").to_owned()
}

#[test]
fn all_fields_are_read_with_the_defaults_of_v1() {
    let all = r#"{"rebalance": true, "clusters": {
        "east": {"minReplicas": 1, "maxReplicas": 2147483647, "weight": 3}, "west": {},
        "*": {"weight": 1}}}"#;
    let preferences = Preferences::parse(all, &REGISTERED).expect("valid");
    assert!(preferences.rebalance);
    let east = ClusterPreference { min_replicas: 1, max_replicas: Some(i32::MAX), weight: 3 };
    assert_eq!(preferences.for_cluster("east"), Some(&east));
    assert_eq!(
        preferences.for_cluster("west"),
        Some(&ClusterPreference::default()),
        "an entry of its own hides * entirely"
    );
    assert_eq!(
        preferences.for_cluster("gce-us-central1").map(|preference| preference.weight),
        Some(1)
    );

    let only_east =
        Preferences::parse(r#"{"clusters": {"east": {"weight": 1}}}"#, &REGISTERED).expect("valid");
    assert!(!only_east.rebalance);
    assert_eq!(only_east.for_cluster("west"), None);
}

#[test]
fn errors_name_their_place() {
    let cases = [
        ("", "is not valid JSON: EOF while parsing a value at line 1 column 0"),
        ("{\"clusters\": {\n\"*\" {}}}", "is not valid JSON: expected `:` at line 2 column 5"),
        (
            r#"{"clusters": {"*": {"weight": 1}}} x"#,
            "is not valid JSON: trailing characters at line 1 column 36",
        ),
        ("[true, {}]", "invalid type: sequence, expected an object"),
        (r#"{"clusters": null}"#, "clusters: invalid type: null, expected an object"),
        (
            r#"{"clusters": {"east": [1, 2, 3]}}"#,
            "clusters.east: invalid type: sequence, expected an object",
        ),
        (
            r#"{"clusters": {"east": 3}}"#,
            "clusters.east: invalid type: integer `3`, expected an object",
        ),
        (
            r#"{"rebalance": "true"}"#,
            "rebalance: invalid type: string \"true\", expected a boolean",
        ),
        (r#"{"rebalance": true, "rebalance": true}"#, "duplicate field `rebalance`"),
        (
            r#"{"Rebalance": true}"#,
            "Rebalance: unknown field `Rebalance`, expected `rebalance` or `clusters`",
        ),
        (
            r#"{"replicas": 3}"#,
            "replicas: unknown field `replicas`, expected `rebalance` or `clusters`",
        ),
        (
            r#"{"clusters": {"east": {"weight": 1}, "east": {}}}"#,
            "clusters: duplicate field `east`",
        ),
        (
            r#"{"clusters": {"eats": {"weight": 1}}}"#,
            "clusters.eats: no cluster of that name is registered; did you mean east?",
        ),
        (
            r#"{"clusters": {"mars": {"weight": 1}}}"#,
            "clusters.mars: no cluster of that name is registered",
        ),
        (
            r#"{"clusters": {"*": {"minreplicas": 1}}}"#,
            "clusters.*.minreplicas: unknown field `minreplicas`, expected one of `minReplicas`, \
            `maxReplicas`, `weight`",
        ),
        (
            r#"{"clusters": {"*": {"weight": 1, "weight": 2}}}"#,
            "clusters.*: duplicate field `weight`",
        ),
        (
            r#"{"clusters": {"east": {"minReplicas": -1}}}"#,
            "clusters.east.minReplicas: must be 0 or more, is -1",
        ),
        (
            r#"{"clusters": {"east": {"weight": 1.5}}}"#,
            "clusters.east.weight: must be a whole number, is 1.5",
        ),
        (
            r#"{"clusters": {"east": {"weight": "1"}}}"#,
            "clusters.east.weight: must be a whole number, is the string \"1\"",
        ),
        (
            r#"{"clusters": {"east": {"maxReplicas": null}}}"#,
            "clusters.east.maxReplicas: must be a whole number, is null",
        ),
        (
            r#"{"clusters": {"east": {"weight": 2147483648}}}"#,
            "clusters.east.weight: must be at most 2147483647, is 2147483648",
        ),
        (
            r#"{"clusters": {"east": {"weight": 99999999999999999999}}}"#,
            "clusters.east.weight: must be at most 2147483647, is 1e+20",
        ),
        (
            r#"{"clusters": {"east": {"minReplicas": 3, "maxReplicas": 2}}}"#,
            "clusters.east.minReplicas: must be at most maxReplicas (2), is 3",
        ),
    ];
    for (annotation, message) in cases {
        assert_eq!(refused(annotation), message, "{annotation}");
    }
}

#[test]
fn preferences_that_leave_no_cluster_are_refused() {
    let nobody = "clusters: no registered cluster gets anything: \
        one needs a weight or minReplicas above 0, by its name or by *";
    for annotation in [
        "{}",
        r#"{"rebalance": true}"#,
        r#"{"clusters": {}}"#,
        r#"{"clusters": {"*": {}}}"#,
        r#"{"clusters": {"*": {"weight": 1, "maxReplicas": 0}}}"#,
        r#"{"clusters": {"east": {"weight": 0}}}"#,
        r#"{"clusters": {"east": {}, "west": {}, "gce-us-central1": {}, "*": {"weight": 1}}}"#,
    ] {
        assert_eq!(refused(annotation), nobody, "{annotation}");
    }
}
