//! The transcripts cut long frames off: `{"type":"joinGroup","group":"gggg… (1065)`. These are the whole ones.

/// The frame that was sent; a short one is recorded whole.
pub(crate) fn whole(client: &str, recorded: &str) -> String {
    let Some((start, length)) = recorded.split_once("… (") else {
        return recorded.to_owned();
    };
    let length: usize = length.trim_end_matches(')').parse().expect("a length");
    let frame = match client {
        "join 1024" => join(1024),
        "join 1025" => join(1025),
        "metadata 9 KiB" => nine_kib_of_metadata(),
        "frame of 1048376" => send(1_048_376),
        "frame of 1048586" => send(1_048_586),
        _ => panic!("no whole form of {client}'s frame"),
    };
    assert!(
        frame.starts_with(start) && frame.len() == length,
        "{client}: {} bytes, recorded {length}",
        frame.len()
    );
    frame
}

fn join(length: usize) -> String {
    format!(r#"{{"type":"joinGroup","group":"{}","ackId":1}}"#, "g".repeat(length))
}

fn nine_kib_of_metadata() -> String {
    let pairs: Vec<String> = (0..9).map(|n| format!(r#""k{n}":"{}""#, "v".repeat(1020))).collect();
    format!(r#"{{"type":"sendToGroup","group":"g","data":1,"metadata":{{{}}},"ackId":1}}"#, pairs.join(","))
}

fn send(length: usize) -> String {
    format!(
        r#"{{"type":"sendToGroup","group":"g","ackId":1,"dataType":"text","data":"{}"}}"#,
        "x".repeat(length)
    )
}
