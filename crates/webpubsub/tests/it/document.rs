//! `docs/PROTOCOL.md` says what the code does.

use webpubsub::client_frame::ClientFrame;
use webpubsub::close::Close;
use webpubsub::server_frame::ServerFrame;

/// The part about the protocol itself. Events of the chat are data inside frames and have tests of their own.
fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/PROTOCOL.md");
    let text = std::fs::read_to_string(path).expect(path);
    let mut sections: Vec<_> = text.split("\n## ").collect();
    sections.retain(|section| !section.starts_with("Chat events"));
    sections.join("\n## ")
}

/// What follows three backticks, and the lines up to the next three.
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            blocks.push((kind, lines.by_ref().take_while(|line| *line != "```").collect()));
        }
    }
    blocks
}

#[test]
fn every_example_is_a_frame() {
    let text = document();
    let mut examples = [0, 0, 0];
    for (kind, lines) in blocks(&text) {
        for line in lines {
            match kind {
                "json client" => {
                    assert!(ClientFrame::parse(line).is_ok(), "{line}");
                    examples[0] += 1;
                }
                "json server" => {
                    let frame = ServerFrame::parse(line).unwrap_or_else(|error| panic!("{error} {line}"));
                    assert_eq!(frame.encode(), line);
                    examples[1] += 1;
                }
                "json refused" => {
                    assert!(ClientFrame::parse(line).is_err(), "{line}");
                    assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
                    examples[2] += 1;
                }
                other => assert!(!line.starts_with('{'), "`{other}` is no kind of example: {line}"),
            }
        }
    }
    assert!(examples.iter().all(|count| *count > 5), "{examples:?}");
    assert_eq!(text.lines().filter(|line| line.starts_with('{')).count(), examples.iter().sum::<usize>());
}

#[test]
fn the_table_of_closes_is_the_code() {
    let yes = |cell: &str| match cell {
        "yes" => true,
        "no" => false,
        other => panic!("{other}"),
    };
    let text = document();
    let rows = text.lines().skip_while(|line| *line != "## Closing").filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let code = cells.get(1)?.parse::<u16>().ok()?;
        Some((code, cells[2].trim_matches('`').to_owned(), yes(cells[4]), yes(cells[5])))
    });
    let code = Close::ALL
        .map(|close| (close.code(), close.reason().to_owned(), close.reconnect(), close.recoverable()));
    assert_eq!(rows.collect::<Vec<_>>(), code);
}
