//! A table of figures as a reporting API shows it: one level of the account, a row a day or one for the
//! whole range, read from any position on. How a vendor prints a row is not known here.

use chrono::{Days, NaiveDate};

use super::World;
use super::world::{Entity, Figures, Level};

/// What is asked for.
pub(super) struct Table<'w> {
    pub(super) world: &'w World,
    /// `None`: the account as a whole.
    pub(super) level: Option<Level>,
    /// First and last day, both inclusive.
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    /// The simulated day: figures are those known on it.
    pub(super) today: NaiveDate,
    /// A row a day, or one for all of them.
    pub(super) by_day: bool,
}

/// Figures, whose and of when.
pub(super) struct Row {
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    /// `None`: the account.
    pub(super) entity: Option<Entity>,
    pub(super) figures: Figures,
}

impl Table<'_> {
    /// Days that can have rows: those before, after or still to come need no looking at.
    fn days(&self) -> (NaiveDate, NaiveDate, u64) {
        let (first, last) = (self.first.max(self.world.first_day), self.last.min(self.world.last_day).min(self.today));
        (first, last, u64::try_from((last - first).num_days() + 1).unwrap_or(0))
    }

    fn entities(&self) -> u64 {
        self.level.map_or(1, |level| self.world.count(level))
    }

    /// The position behind the last row.
    pub(super) fn end(&self) -> u64 {
        let (.., days) = self.days();
        if self.by_day { days * self.entities() } else { days.min(1) * self.entities() }
    }

    /// Rows from a position on, and the position of the first one left over. What has no delivery has no
    /// row, so positions are passed over.
    pub(super) fn page(&self, start: u64, most: usize) -> (Vec<Row>, Option<u64>) {
        let mut rows = Vec::new();
        for position in start..self.end() {
            let Some(row) = self.row(position) else { continue };
            if rows.len() == most {
                return (rows, Some(position));
            }
            rows.push(row);
        }
        (rows, None)
    }

    /// Every row.
    pub(super) fn all(&self) -> Vec<Row> {
        self.page(0, usize::MAX).0
    }

    fn row(&self, position: u64) -> Option<Row> {
        let (first, last, _) = self.days();
        let at = position % self.entities();
        let entity = || self.level.map(|level| self.world.entity(level, at));
        if self.by_day {
            let day = first + Days::new(position / self.entities());
            let figures = self.figures(at, day)?;
            return Some(Row { first: day, last: day, entity: entity(), figures });
        }
        let days = first.iter_days().take_while(|&day| day <= last);
        let figures = days.filter_map(|day| self.figures(at, day)).reduce(|sum, day| sum + day)?;
        Some(Row { first: self.first, last: self.last, entity: entity(), figures })
    }

    fn figures(&self, at: u64, day: NaiveDate) -> Option<Figures> {
        match self.level {
            Some(level) => self.world.figures(level, at, day, self.today),
            None => (0..self.world.count(Level::Campaign))
                .filter_map(|at| self.world.figures(Level::Campaign, at, day, self.today))
                .reduce(|sum, campaign| sum + campaign),
        }
    }
}
