//! What processes take of the machine, as Linux tells it in `/proc`.

use crate::error::{Error, during};
use rustix::param::{clock_ticks_per_second, page_size};
use std::time::Duration;

/// What some processes take together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// How many there are.
    pub processes: usize,
    /// The memory that they have at this moment (their resident sets), in bytes.
    pub memory: u64,
    /// User and system time since they began.
    pub cpu: Duration,
}

impl Load {
    /// All processes of a group but its leader.
    pub(crate) fn of_group(group: i32) -> Result<Self, Error> {
        let all = std::fs::read_dir("/proc").map_err(during("ask what processes take"))?;
        let names = all.filter_map(|entry| Some(entry.ok()?.file_name()));
        let numbers = names.filter_map(|name| name.to_str()?.parse::<i32>().ok());
        let others = numbers.filter(|number| *number != group);
        // One that ended in between has no file any more.
        let texts = others
            .filter_map(|number| std::fs::read_to_string(format!("/proc/{number}/stat")).ok());
        let of_group = texts.filter_map(|text| Stat::parse(&text));
        Ok(of_group.filter(|stat| stat.group == group).fold(Self::default(), Self::plus))
    }

    fn plus(self, stat: Stat) -> Self {
        Self {
            processes: self.processes + 1,
            memory: self.memory + stat.pages * page_size() as u64,
            cpu: self.cpu + Duration::from_secs(stat.ticks) / clock_ticks_per_second() as u32,
        }
    }
}

/// What is read of `/proc/N/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    group: i32,
    ticks: u64,
    pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name of the program, in parentheses, may have spaces and parentheses itself.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let group = fields.get(2)?.parse().ok()?;
        Some(Self { group, ticks: number(11)? + number(12)?, pages: number(21)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_does_not_shift_the_fields() {
        let text = "4711 (a ) (b) S 1 99 4711 0 -1 4194560 100 0 0 0 250 50 7 8 20 0 11 0 1000 9 \
                    512 18446744073709551615 1 1";
        assert_eq!(Stat::parse(text), Some(Stat { group: 99, ticks: 300, pages: 512 }));
        assert_eq!(Stat::parse("4711 (short) S 1"), None);
    }
}
