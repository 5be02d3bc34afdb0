use handler::adapters::moderation::LocalModerator;
use handler::adapters::thresholds::Thresholds;
use handler::model::{Rules, UserId};
use handler::ports::moderator::Kind;
use handler::ports::{Moderator, Question};
use tokio::time::Instant;

use crate::report::{Table, percentile};
use crate::{Options, Outcome};

/// The longest message, in UTF-16 units.
const LONGEST: usize = 32_000;
/// What is promised, in milliseconds.
const PROMISED: f64 = 5.0;

/// Texts that judges of words are known to be slow at, repeated up to the longest message.
const PARTS: [(&str, &str); 16] = [
    ("prose", "The quick brown fox jumps over the lazy dog and goes home to sleep. "),
    ("coarse words", "fuck shit "),
    ("coarse words, spelled out", "f u c k "),
    ("coarse words, divided", "f.u.c.k."),
    ("beginnings of coarse words", "motherfucke"),
    ("digits", "0123456789"),
    ("signs", "@#!$%^&*()1|[]{}"),
    ("one letter", "s"),
    ("two letters in turn", "as"),
    ("single letters", "a s "),
    ("look-alikes", "fυсk ѕһіt "),
    ("full width", "ｆｕｃｋ　"),
    ("ligatures", "\u{fdfa}"),
    ("accents in heaps", "a\u{301}\u{302}\u{303}\u{304}"),
    ("invisible characters", "f\u{200b}u\u{200b}c\u{200b}k"),
    ("links", "http://a.b "),
];

/// How long the local moderator takes for one message, whatever it holds.
pub(crate) async fn measure(options: &Options) -> Outcome<Table> {
    let runs = if options.quick { 50 } else { 1_000 };
    let moderator = LocalModerator::new(Thresholds::default());
    let mut rows = Vec::new();
    let short = [
        ("a short message".to_owned(), "hello, how are you today?".to_owned()),
        ("a short coarse message".to_owned(), "oh sh1t, that's a f.u.c.k.i.n.g bug".to_owned()),
        ("prose of 4,000 letters".to_owned(), filled(PARTS[0].1, 4_000)),
    ];
    let long = PARTS.map(|(name, part)| (format!("32,000 units: {name}"), filled(part, LONGEST)));
    for (name, text) in short.into_iter().chain(long) {
        let question = question(&text, None)?;
        rows.push(row(name, &moderator, &question, runs).await?);
    }
    let rules = Rules { blocked_words: (0..200).map(|n| format!("word{n}")).collect(), ..Rules::default() };
    let question = question(&filled(PARTS[0].1, LONGEST), Some(rules))?;
    rows.push(
        row("32,000 units: prose, and 200 words of the room".to_owned(), &moderator, &question, runs).await?,
    );
    Ok(Table {
        title: "Moderation",
        note: format!(
            "The local moderator, one message after the other, {runs} of each kind; milliseconds, the way to the thread that judges long \
             texts included. Promised: p99 of at most {PROMISED}."
        ),
        columns: vec!["text", "fastest", "p50", "p99", "max"],
        rows,
    })
}

async fn row(
    name: String,
    moderator: &LocalModerator,
    question: &Question,
    runs: usize,
) -> Outcome<Vec<String>> {
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let begin = Instant::now();
        moderator.judge(question).await?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let ms = |share| format!("{:.3}", percentile(&times, share));
    Ok(vec![name, ms(0.0), ms(0.5), ms(0.99), ms(1.0)])
}

fn question(text: &str, rules: Option<Rules>) -> Outcome<Question> {
    Ok(Question {
        kind: Kind::Message,
        text: text.into(),
        link: None,
        sender: UserId::new("ann")?,
        rules: rules.map(std::sync::Arc::new),
        is_member: true,
        identity: None,
    })
}

fn filled(part: &str, units: usize) -> String {
    let mut left = units;
    part.chars()
        .cycle()
        .take_while(|character| {
            let fits = character.len_utf16() <= left;
            left = left.saturating_sub(character.len_utf16());
            fits
        })
        .collect()
}
