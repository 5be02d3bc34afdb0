use std::sync::Arc;
use crate::ports::{Members, Rooms};
pub(super) struct Known {}
impl Known { pub(super) fn new(_: Arc<dyn Rooms>, _: Arc<dyn Members>) -> Self { Self {} } }
