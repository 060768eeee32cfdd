//! What was measured: samples, medians, and the goals that they are held against.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{fleet::Traffic, measure::Usage};

/// What is measured beside what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// This build.
    Ours,
    /// This build, called by `kubectl`.
    Plugin,
    /// An older build.
    Baseline,
    /// `kubectl` for one cluster after the other, in a loop of the shell; or alone.
    Kubectl,
    /// `kubectl` for 16 clusters at a time.
    Xargs,
    /// A program over client-go with a goroutine for each cluster.
    ClientGo,
    /// Karmada, with all that has to run for it.
    Karmada,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "this build",
            Self::Plugin => "this build, by kubectl",
            Self::Baseline => "older build",
            Self::Kubectl => "kubectl",
            Self::Xargs => "xargs -P16 kubectl",
            Self::ClientGo => "client-go",
            Self::Karmada => return write!(f, "Karmada {}", real::KARMADA),
        })
    }
}

/// What is told of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Seconds from the start of the program to its end.
    Wall,
    /// Seconds of CPU, in user mode and in the system.
    Cpu,
    /// The most memory at a time, in MiB.
    Memory,
    /// Requests to each member.
    Requests,
    /// The most LISTs that a member got.
    Lists,
    /// Connections to each member.
    Connections,
}

impl Measure {
    /// Whether it is the same however busy the machine is.
    pub fn is_count(self) -> bool {
        matches!(self, Self::Requests | Self::Lists | Self::Connections)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Requests => "requests a member",
            Self::Lists => "LISTs a member",
            Self::Connections => "connections a member",
        }
    }
}

/// One run of a program, or of several that do one thing together.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// What it took.
    pub usage: Usage,
    /// What the clusters were asked meanwhile.
    pub traffic: Traffic,
}

impl Sample {
    fn value(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Wall => self.usage.wall.as_secs_f64(),
            Measure::Cpu => self.usage.cpu.as_secs_f64(),
            Measure::Memory => self.usage.memory as f64 / f64::from(1 << 20),
            Measure::Requests => self.traffic.requests,
            Measure::Lists => self.traffic.lists as f64,
            Measure::Connections => self.traffic.connections,
        }
    }
}

/// What this build is to reach.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// What is held against it.
    pub measure: Measure,
    /// What it is a share of; none where the measure itself is meant.
    pub of: Option<Subject>,
    /// The most that it may be.
    pub most: f64,
}

/// A thing that is done, and what doing it took.
#[derive(Debug)]
pub struct Row {
    /// By which it is chosen.
    pub name: &'static str,
    /// What is done, for readers.
    pub what: String,
    /// What this build is to reach.
    pub goals: Vec<Goal>,
    /// The samples of each program.
    pub samples: BTreeMap<Subject, Vec<Sample>>,
}

/// How the names of rows begin that are measured beside Karmada.
const BESIDE_KARMADA: &str = "karmada";

/// Where a row is told. Each table is measured and written without the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// What is measured on simulated clusters, and on none.
    Simulated,
    /// What is measured beside Karmada, on real control planes: only if a row is asked for by its
    /// name, because Karmada is built for it.
    Karmada,
}

impl Table {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 2] = [Self::Simulated, Self::Karmada];

    /// The table of a row of this name.
    pub fn of(row: &str) -> Self {
        if row.starts_with(BESIDE_KARMADA) { Self::Karmada } else { Self::Simulated }
    }
}

impl Row {
    /// A row without samples.
    pub fn new(name: &'static str, what: String, goals: Vec<Goal>) -> Self {
        Self { name, what, goals, samples: BTreeMap::new() }
    }

    /// Adds a sample.
    pub fn add(&mut self, subject: Subject, sample: Sample) {
        self.samples.entry(subject).or_default().push(sample);
    }

    /// The median of a measure; none where the program was not measured.
    pub fn median(&self, subject: Subject, measure: Measure) -> Option<f64> {
        let samples = self.samples.get(&subject)?;
        let mut values: Vec<f64> = samples.iter().map(|sample| sample.value(measure)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// This build's share of what another program took; none where either was not measured, or
    /// nothing can be a share of it.
    pub fn ratio(&self, of: Subject, measure: Measure) -> Option<f64> {
        let other = self.median(of, measure).filter(|other| *other > 0.0)?;
        Some(self.median(Subject::Ours, measure)? / other)
    }

    /// What this build has reached of a goal; none where it was not measured.
    pub fn reached(&self, goal: &Goal) -> Option<f64> {
        match goal.of {
            Some(other) => self.ratio(other, goal.measure),
            None => self.median(Subject::Ours, goal.measure),
        }
    }
}

/// The sum of what programs took that ran one after the other.
pub(crate) fn together(usages: impl IntoIterator<Item = Usage>) -> Usage {
    let nothing = Usage { wall: Duration::ZERO, cpu: Duration::ZERO, memory: 0, succeeded: true };
    usages.into_iter().fold(nothing, |all, one| Usage {
        wall: all.wall + one.wall,
        cpu: all.cpu + one.cpu,
        memory: all.memory.max(one.memory),
        succeeded: all.succeeded && one.succeeded,
    })
}
