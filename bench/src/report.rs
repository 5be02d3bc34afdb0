/// Sections of Markdown, in the order they were measured.
pub(crate) struct Report {
    text: String,
}

pub(crate) struct Table {
    pub title: &'static str,
    pub note: String,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl Report {
    pub(crate) fn new(quick: bool) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let model = std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|info| {
                info.lines().find(|l| l.starts_with("model name"))?.split(": ").nth(1).map(str::to_owned)
            })
            .unwrap_or_else(|| "unknown processor".to_owned());
        let command = if quick { "make bench ARGS=--quick" } else { "make bench" };
        let text = format!(
            "# Results\n\nMade by `{command}` on {cores} cores ({model}), which server and load generator share. \
             Every server of a table ran in the same run, one after the other.\n"
        );
        Self { text }
    }

    pub(crate) fn add(&mut self, table: Table) {
        let mut out = format!("\n## {}\n\n{}\n\n", table.title, table.note);
        out += &format!("| {} |\n", table.columns.join(" | "));
        out += &format!("|{}\n", " --- |".repeat(table.columns.len()));
        for row in table.rows {
            out += &format!("| {} |\n", row.join(" | "));
        }
        eprintln!("{out}");
        self.text += &out;
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The value below which `share` of the sorted samples lie.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((last as f64) * share).round() as usize).copied().unwrap_or(f64::NAN)
}
