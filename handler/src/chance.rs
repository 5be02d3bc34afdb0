/// 0..1. Only spreads those who wait apart; where chance fails, they wait together.
pub(crate) fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}
