//! What is told of a server that refuses.

use super::*;

#[tokio::test]
async fn a_server_that_quotes_the_credentials_is_quoted_without_them() {
    let server = Server::new(|_, asked| {
        let told = asked.headers["authorization"].to_str().unwrap().to_owned();
        let status = json!({"kind": "Status", "code": 422, "reason": "Invalid", "message": told,
            "details": {"name": told, "causes": [{"field": told, "message": told}]}});
        answer(422, &status)
    });
    for user in [json!({"token": "s3cret"}), json!({"username": "jane", "password": "s3cret"})] {
        let error =
            server.connection_as(&user, &Overrides::default()).get("/version").await.unwrap_err();
        let (report, dump) = (error.report(), format!("{error:?}"));
        assert!(report.contains("<masked>"), "{report}");
        for secret in ["s3cret", "amFuZTpzM2NyZXQ="] {
            assert!(!report.contains(secret) && !dump.contains(secret), "{report}, {dump}");
        }
    }
}
