use std::net::{IpAddr, Ipv4Addr};

use handler::chat::Limits;
use handler::model::{RateLimit, RateLimits, UserId};
use tokio::time::Instant;

use crate::report::Table;
use crate::{Options, Outcome};

/// What one look at a bucket costs: the hash of its name, a lock, some comparisons.
pub(crate) fn measure(options: &Options) -> Outcome<Table> {
    let checks: u32 = if options.quick { 200_000 } else { 5_000_000 };
    let mut rows = Vec::new();
    for names in [1_u32, 10_000, 1_000_000] {
        let users = (0..names.min(10_000)).map(|n| UserId::new(&format!("user-{n}")));
        let users: Vec<UserId> = users.collect::<Result<_, _>>()?;
        let mut cells = vec![names.to_string()];
        for threads in [1_u32, 2] {
            let limit = Some(RateLimit { per_second: 100, burst: 200 });
            let limits = Limits::new(&RateLimits { user: limit, room: None, address: limit });
            let begin = Instant::now();
            std::thread::scope(|scope| {
                for thread in 0..threads {
                    let (limits, users) = (&limits, &users);
                    scope.spawn(move || {
                        for n in 0..checks {
                            let at = n.wrapping_mul(2_654_435_761).wrapping_add(thread) % names;
                            // Beyond the users there are addresses, as in a flood that comes from everywhere.
                            let answer = match users.get(at as usize) {
                                Some(user) => limits.act(user),
                                None => limits.request(IpAddr::V4(Ipv4Addr::from(at))),
                            };
                            std::hint::black_box(&answer);
                        }
                    });
                }
            });
            let each = begin.elapsed().as_secs_f64() * 1e9 / f64::from(checks * threads);
            cells.push(format!("{each:.0}"));
        }
        rows.push(cells);
    }
    Ok(Table {
        title: "Rate limits",
        note: format!(
            "One look at a bucket, {checks} times in each thread, nanoseconds of the clock divided by all looks. Names are users up to \
             10,000, and addresses beyond; refusals are among the looks."
        ),
        columns: vec!["names", "1 thread", "2 threads"],
        rows,
    })
}
