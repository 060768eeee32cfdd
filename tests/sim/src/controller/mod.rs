//! stub
pub(crate) mod indexes;
use jiff::Timestamp;
use crate::api::State;
/// x
#[derive(Debug, Default)]
pub struct Kubelet;
/// x
#[derive(Debug, Default)]
pub struct JobSync;
/// x
#[derive(Debug, Default)]
pub struct Step;
#[derive(Debug, Default)]
pub(crate) struct Controllers { pub(crate) kubelet: Kubelet }
impl Controllers { pub(crate) fn next_due(&self) -> Option<Timestamp> { None } }
impl State { pub(crate) fn settle(&mut self) {} }
