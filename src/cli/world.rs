//! The world around a command: what a process has one of, and a test makes for each run.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;

use crate::{
    cluster::{Dialer, Overrides},
    error::Result,
    print::Output,
};
