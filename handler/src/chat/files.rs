//! Whether a file is what it was said to be.

/// Whether content that begins so may go under this type. What is recognised has to be of the type; what has a known
/// beginning has to have it; text is text. No content makes a file harmless: all are served as downloads.
pub(super) fn is_of_type(content_type: &str, beginning: &[u8], is_whole: bool) -> bool {
    let (said, found) = (family(content_type), infer::get(beginning).map(|found| family(found.mime_type())));
    match (said, found) {
        // Two letters make a bitmap of many a text.
        ("text/plain", found) => is_text(beginning, is_whole) && !found.is_some_and(is_active),
        ("application/octet-stream", found) => !found.is_some_and(is_active),
        (said, Some(found)) => said == found,
        (said, None) => !has_a_beginning(said),
    }
}

/// Types that are told by the same beginning, or have several names, under one of them.
fn family(content_type: &str) -> &str {
    match content_type {
        "image/jpg" | "image/pjpeg" => "image/jpeg",
        "audio/wav" | "audio/wave" | "audio/vnd.wave" => "audio/x-wav",
        "audio/mp3" => "audio/mpeg",
        "audio/mp4" | "audio/x-m4a" | "audio/m4a" | "video/x-m4v" => "video/mp4",
        "application/ogg" | "video/ogg" | "audio/opus" => "audio/ogg",
        "audio/webm" => "video/webm",
        // The container of the first is the second's.
        "video/x-matroska" => "video/webm",
        "application/x-zip-compressed" => "application/zip",
        "application/epub+zip" => "application/zip",
        zipped if zipped.starts_with("application/vnd.openxmlformats-officedocument.") => "application/zip",
        zipped if zipped.starts_with("application/vnd.oasis.opendocument.") => "application/zip",
        text if text.starts_with("text/") && !is_active(text) => "text/plain",
        "application/json" => "text/plain",
        other => other,
    }
}

/// What a program or a browser would run.
fn is_active(content_type: &str) -> bool {
    matches!(
        content_type,
        "text/html"
            | "text/xml"
            | "application/xml"
            | "application/xhtml+xml"
            | "image/svg+xml"
            | "text/javascript"
            | "application/javascript"
            | "text/x-shellscript"
            | "application/vnd.microsoft.portable-executable"
            | "application/x-executable"
            | "application/x-mach-binary"
            | "application/java"
            | "application/java-vm"
            | "application/wasm"
            | "application/x-msdownload"
    )
}

/// Types whose files are recognised, so that what is not recognised is none of them.
fn has_a_beginning(family: &str) -> bool {
    matches!(
        family,
        "image/png"
            | "image/jpeg"
            | "image/gif"
            | "image/webp"
            | "image/bmp"
            | "image/avif"
            | "application/pdf"
            | "application/zip"
            | "video/mp4"
            | "video/webm"
            | "audio/x-wav"
            | "audio/ogg"
    ) || is_active(family)
}

/// UTF-8 without NUL. What was cut may end within a character.
fn is_text(beginning: &[u8], is_whole: bool) -> bool {
    let is_utf8 = match std::str::from_utf8(beginning) {
        Ok(_) => true,
        Err(error) => !is_whole && error.error_len().is_none(),
    };
    is_utf8 && !beginning.contains(&0)
}

/// The type of a name's ending, for those who say none.
pub(super) fn type_of_name(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("pdf") => "application/pdf",
        Some("txt" | "log" | "md") => "text/plain",
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("zip") => "application/zip",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("pptx") => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        Some("mp4") => "video/mp4",
        Some("webm") => "video/webm",
        Some("mp3") => "audio/mpeg",
        Some("ogg" | "oga") => "audio/ogg",
        Some("m4a") => "audio/mp4",
        Some("wav") => "audio/wav",
        Some("html" | "htm") => "text/html",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELF: [u8; 64] = {
        let mut header = [0; 64];
        (header[0], header[1], header[2], header[3], header[4]) = (0x7f, b'E', b'L', b'F', 2);
        header
    };
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn a_file_is_what_it_was_said_to_be() {
        for (said, content) in [
            ("image/png", PNG),
            ("image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF"),
            ("application/pdf", b"%PDF-1.7"),
            ("text/plain", "grüße".as_bytes()),
            ("text/csv", b"a,b\n1,2"),
            ("text/plain", b"BMW and %PDF are words"),
            ("text/plain", b""),
            ("application/zip", b"PK\x03\x04rest"),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04rest"),
            ("application/octet-stream", PNG),
            ("application/x-own", b"anything"),
        ] {
            assert!(is_of_type(said, content, true), "{said}");
        }
        for (said, content) in [
            ("image/png", b"\xff\xd8\xff\xe0\0\x10JFIF" as &[u8]),
            ("image/png", b"just text"),
            ("image/png", b"MZ\x90\0\x03\0\0\0"),
            ("image/png", b""),
            ("text/plain", PNG),
            ("text/plain", b"a\0b"),
            ("text/plain", b"\xff\xfe\xfd"),
            ("text/plain", b"<!DOCTYPE html><script>"),
            ("application/pdf", b"\x7fELF\x02\x01\x01\0"),
            ("application/octet-stream", b"MZ\x90\0\x03\0\0\0"),
            ("application/octet-stream", b"<html><body>"),
            ("application/x-own", &ELF),
        ] {
            assert!(!is_of_type(said, content, true), "{said}: {content:?}");
        }
    }

    #[test]
    fn text_may_be_cut_within_a_character() {
        assert!(is_of_type("text/plain", &"aé".as_bytes()[..2], false));
        assert!(!is_of_type("text/plain", &"aé".as_bytes()[..2], true));
    }
}
