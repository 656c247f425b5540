//! Brings a store to this program's schema, one step at a time: each step and the record of it are
//! one transaction under the write lock, so a crash or a second process never leaves half a step.
//! Own code, because sqlx's migrator takes no lock on SQLite and wants column types that not every
//! backend has through `Any`.

use ring::digest;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::backend::{self, Backend};
use super::columns;
use super::error::StoreError;

/// A file of `migrations/`, in the order they are applied. A released one is never edited.
pub struct Step {
    /// Its file's name.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
}

/// Every step.
pub const STEPS: &[Step] = &[Step { name: "0001_start.sql", sql: include_str!("../../migrations/0001_start.sql") }];

/// Applies the steps a store does not have yet.
pub async fn migrate(backend: &Backend, steps: &[Step]) -> Result<(), StoreError> {
    let mut write = backend.write().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, checksum TEXT NOT NULL)")
        .execute(&mut *write)
        .await?;
    write.commit().await?;
    loop {
        let mut write = backend.write().await?;
        let done = applied(&mut write, steps).await?;
        let Some(step) = steps.get(done) else { return Ok(()) };
        sqlx::raw_sql(AssertSqlSafe(backend::dialect(step.sql))).execute(&mut *write).await?;
        sqlx::query("INSERT INTO migration (name, checksum) VALUES ($1, $2)")
            .bind(step.name)
            .bind(checksum(step.sql))
            .execute(&mut *write)
            .await?;
        write.commit().await?;
    }
}

/// How many of the steps the store has; an error unless they are the first ones, word for word.
async fn applied(connection: &mut AnyConnection, steps: &[Step]) -> Result<usize, StoreError> {
    let rows = sqlx::query("SELECT name, checksum FROM migration ORDER BY name").fetch_all(connection).await?;
    for (position, row) in rows.iter().enumerate() {
        let name: String = row.try_get(0)?;
        let found: String = row.try_get(1)?;
        match steps.get(position) {
            Some(step) if step.name != name => return Err(StoreError::Newer(format!("it has step {name}"))),
            Some(step) if checksum(step.sql) != found => {
                return Err(StoreError::Newer(format!("its step {name} differs from this program's")));
            }
            Some(_) => {}
            None => return Err(StoreError::Newer(format!("it has step {name}"))),
        }
    }
    Ok(rows.len())
}

fn checksum(sql: &str) -> String {
    columns::hex(digest::digest(&digest::SHA256, sql.as_bytes()).as_ref())
}
