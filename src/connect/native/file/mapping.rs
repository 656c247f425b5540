//! What each column of a file becomes, as a table with the first rows: what a person checks before anything is stored.

use std::fmt;

use serde::Serialize;

/// Longest name, meaning and cell that are shown whole, in characters.
const NAME: usize = 30;
const USE: usize = 21;
const CELL: usize = 12;

/// Ignored columns named one by one; JSON has all of them.
const IGNORED_SHOWN: usize = 8;

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnUse {
    /// Its name as written.
    pub name: String,
    /// What it is taken for; `None` when it is ignored.
    pub taken_for: Option<String>,
    /// Why it is ignored although it looks useful.
    pub why_not: Option<String>,
    /// Its cells in the first rows, as written; none of a column that is ignored.
    pub first: Vec<String>,
}

/// The table, each line ended.
pub(super) struct Table<'t> {
    pub columns: &'t [ColumnUse],
    /// Lines of the first rows.
    pub lines: &'t [u64],
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = || self.columns.iter().filter_map(|column| Some((column, column.taken_for.as_deref()?)));
        let width = |cells: &mut dyn Iterator<Item = usize>, least: usize, most: usize| {
            cells.max().unwrap_or_default().clamp(least, most)
        };
        let name = width(&mut taken().map(|(column, _)| column.name.chars().count()), "Column".len(), NAME);
        let becomes = width(&mut taken().map(|(_, taken)| taken.chars().count()), "becomes".len(), USE);
        let mut line = format!("  {:<name$}  {:<becomes$}", "Column", "becomes");
        for number in self.lines {
            line += &format!("  {:<CELL$}", format!("line {number}"));
        }
        writeln!(f, "{}", line.trim_end())?;
        for (column, taken) in taken() {
            let mut line = format!("  {:<name$}  {:<becomes$}", short(&column.name, NAME), short(taken, USE));
            for cell in &column.first {
                line += &format!("  {:<CELL$}", short(cell, CELL));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        for column in self.columns.iter().filter(|column| column.taken_for.is_none()) {
            if let Some(why) = &column.why_not {
                writeln!(f, "  {:<name$}  ignored: {why}", short(&column.name, NAME))?;
            }
        }
        let plain = |column: &&ColumnUse| column.taken_for.is_none() && column.why_not.is_none();
        let ignored: Vec<String> = self.columns.iter().filter(plain).map(|column| short(&column.name, NAME)).collect();
        match ignored.len() {
            0 => Ok(()),
            count @ 1..=IGNORED_SHOWN => writeln!(f, "  ignored, {count}: {}", ignored.join(", ")),
            count => writeln!(f, "  ignored, {count}: {}, …", ignored[..IGNORED_SHOWN].join(", ")),
        }
    }
}

/// The beginning of a long text, on one line.
pub(super) fn short(text: &str, longest: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= longest {
        return text;
    }
    let cut: String = text.chars().take(longest - 1).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_to_a_terminal_and_shows_nothing_of_what_is_ignored() {
        let column = |name: &str, taken: Option<&str>, first: &[&str]| ColumnUse {
            name: name.into(),
            taken_for: taken.map(str::to_owned),
            why_not: None,
            first: first.iter().map(|&cell| cell.to_owned()).collect(),
        };
        let columns = [
            column(&"Submitted ".repeat(9), Some("the time it was sent, in a long word"), &["2026-03-02 10:00:00"; 3]),
            column("Plan", Some("arm"), &["a", "b\nc", "d"]),
            column("Name", None, &[]),
        ];
        let text = Table { columns: &columns, lines: &[2, 3, 5] }.to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("becomes") && text.contains("line 5") && text.contains("b c"), "{text}");
        assert!(text.ends_with("  ignored, 1: Name\n"), "{text}");
    }
}
