//! Connection strings.

use proptest::prelude::*;
use webpubsub::connection_string::{ConnectionString, ConnectionStringError as Error};

fn parse(text: &str) -> Result<ConnectionString, Error> {
    text.parse()
}

#[test]
fn parts_come_in_any_order_and_case() {
    let emulator = "Endpoint=http://localhost:8080;AccessKey=ABC=;Version=1.0;";
    let parsed = parse(emulator).unwrap();
    assert_eq!(parsed.endpoint, "http://localhost:8080");
    assert_eq!(parsed.access_key.reveal(), "ABC=", "only the first equals sign separates");
    assert_eq!(parsed.reveal(), emulator);
    for same in [
        "accesskey=ABC=;ENDPOINT=http://localhost:8080/",
        " Endpoint = http://localhost ; AccessKey = ABC= ; Port = 8080 ; Version = 1.0 ",
        "Endpoint=http://localhost:1;Port=8080;AccessKey=ABC=;Extra=;",
    ] {
        assert_eq!(parse(same), Ok(parsed.clone()), "{same}");
    }
    let v6 = parse("Endpoint=https://[::1]:1;Port=443;AccessKey=k").unwrap();
    assert_eq!(v6.endpoint, "https://[::1]:443");
}

#[test]
fn every_mistake_has_its_error() {
    for (text, error) in [
        ("", Error::Missing("Endpoint")),
        ("AccessKey=k", Error::Missing("Endpoint")),
        ("Endpoint=http://h", Error::Missing("AccessKey")),
        ("Endpoint=http://h;AccessKey=", Error::Missing("AccessKey")),
        ("Endpoint=http://h;AccessKey=k;endpoint=http://h", Error::Twice("Endpoint")),
        ("Endpoint=http://h;AccessKey=k;oops", Error::NotAPair),
        ("Endpoint=http://h;AccessKey=k;Version=2.0", Error::BadVersion),
        ("Endpoint=http://h;AccessKey=k;Port=0", Error::BadPort),
        ("Endpoint=http://h;AccessKey=k;Port=65536", Error::BadPort),
        ("Endpoint=http://h;AccessKey=k;Port=x", Error::BadPort),
        ("Endpoint=h;AccessKey=k", Error::BadEndpoint),
        ("Endpoint=ftp://h;AccessKey=k", Error::BadEndpoint),
        ("Endpoint=http://;AccessKey=k", Error::BadEndpoint),
        ("Endpoint=http://h/path;AccessKey=k", Error::BadEndpoint),
        ("Endpoint=http://h?q;AccessKey=k", Error::BadEndpoint),
        ("Endpoint=http://u:p@h;AccessKey=k", Error::BadEndpoint),
        ("Endpoint=http://h h;AccessKey=k", Error::BadEndpoint),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
}

#[test]
fn the_key_is_shown_nowhere_by_accident() {
    let parsed = parse("Endpoint=http://h;AccessKey=topsecret").unwrap();
    assert!(!format!("{parsed:?} {parsed}").contains("topsecret"));
    for bad in ["Endpoint=topsecret", "topsecret", "Endpoint=http://h;AccessKey=k;Port=topsecret"] {
        let error = parse(bad).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("topsecret"), "{bad}");
    }
}

proptest! {
    #[test]
    fn there_and_back(host in "[a-z0-9.]{1,20}[a-z]", port in 1..=u16::MAX, key in "[!-:<-~]{1,60}", tls: bool) {
        let scheme = if tls { "https" } else { "http" };
        let text = format!("Endpoint={scheme}://{host}:{port};AccessKey={key};Version=1.0;");
        prop_assert_eq!(parse(&text).unwrap().reveal(), text);
    }
}
