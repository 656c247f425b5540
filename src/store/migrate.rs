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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files;

    #[test]
    fn every_file_of_migrations_is_a_step_in_its_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        assert_eq!(files, STEPS.iter().map(|step| step.name).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn s7_a_step_that_fails_leaves_nothing_and_is_taken_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Backend::open(&path).await.unwrap();
        let first = Step { name: "0001_one.sql", sql: "CREATE TABLE one (a TEXT);" };
        let broken = Step { name: "0002_two.sql", sql: "CREATE TABLE two (a TEXT); INSERT INTO nowhere VALUES (1);" };
        assert!(migrate(&backend, &[first, broken]).await.is_err());

        let first = || Step { name: "0001_one.sql", sql: "CREATE TABLE one (a TEXT);" };
        let mended = || Step { name: "0002_two.sql", sql: "CREATE TABLE two (a TEXT); INSERT INTO two VALUES ('x');" };
        migrate(&backend, &[first(), mended()]).await.unwrap();
        migrate(&backend, &[first(), mended()]).await.unwrap();
        let mut read = backend.read().await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM two").fetch_one(&mut *read).await.unwrap();
        assert_eq!(rows, 1, "each step is applied once");
        assert!(matches!(migrate(&backend, &[first()]).await, Err(StoreError::Newer(_))), "an older program");
        let edited = Step { name: "0002_two.sql", sql: "CREATE TABLE two (b TEXT);" };
        assert!(matches!(migrate(&backend, &[first(), edited]).await, Err(StoreError::Newer(_))));
    }
}
