//! Brings a store to this program's schema, one step at a time: each step and the record of it are
//! one transaction under the write lock, so a crash or a second process never leaves half a step.
//! Own code, because sqlx's migrator takes no lock on SQLite and wants column types that not every
//! backend has through `Any`.

use ring::digest;
use sqlx::{AssertSqlSafe, Row};

use super::backend::Backend;
use super::columns;
use super::copies;
use super::error::StoreError;
use super::transaction::Connection;

/// Name and text of a file of `migrations/`. A released one is never edited.
type Step = (&'static str, &'static str);

// `STEPS`: every file of `migrations/`, in order of name, which is the order they are applied in.
include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// Brings a store to this program's schema. A file that an earlier program wrote is copied first.
pub async fn migrate(backend: &Backend) -> Result<(), StoreError> {
    apply(backend, STEPS).await
}

/// Applies the steps a store does not have yet.
async fn apply(backend: &Backend, steps: &[Step]) -> Result<(), StoreError> {
    let mut write = backend.write().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, checksum TEXT NOT NULL)")
        .execute(&mut *write)
        .await?;
    let done = applied(&mut write, steps).await?;
    write.commit().await?;
    if let (Backend::File(file), Some((next, _))) = (backend, steps.get(done).filter(|_| done > 0)) {
        copies::before_upgrade(file, next).await?;
    }
    loop {
        let mut write = backend.write().await?;
        let done = applied(&mut write, steps).await?;
        let Some((name, sql)) = steps.get(done) else {
            // Dropped, it would hold the write lock until its connection is next used.
            return write.rollback().await;
        };
        sqlx::raw_sql(AssertSqlSafe(backend.dialect(sql))).execute(&mut *write).await?;
        sqlx::query("INSERT INTO migration (name, checksum) VALUES ($1, $2)")
            .bind(*name)
            .bind(checksum(sql))
            .execute(&mut *write)
            .await?;
        write.commit().await?;
    }
}

/// How many of the steps the store has; an error unless they are the first ones, word for word.
async fn applied(connection: &mut Connection, steps: &[Step]) -> Result<usize, StoreError> {
    let rows = sqlx::query("SELECT name, checksum FROM migration ORDER BY name").fetch_all(connection).await?;
    for (position, row) in rows.iter().enumerate() {
        let name: String = row.try_get(0)?;
        let found: String = row.try_get(1)?;
        match steps.get(position) {
            Some((ours, _)) if *ours != name => return Err(StoreError::Newer(format!("it has step {name}"))),
            Some((_, sql)) if checksum(sql) != found => {
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
    use crate::store::sqlite::Sqlite;

    #[tokio::test]
    async fn s7_a_step_that_fails_leaves_nothing_and_is_taken_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Backend::File(Sqlite::open(&path).await.unwrap());
        let first = ("0001_one.sql", "CREATE TABLE one (a TEXT);");
        let broken = ("0002_two.sql", "CREATE TABLE two (a TEXT); INSERT INTO nowhere VALUES (1);");
        assert!(apply(&backend, &[first, broken]).await.is_err());

        let mended = ("0002_two.sql", "CREATE TABLE two (a TEXT); INSERT INTO two VALUES ('x');");
        apply(&backend, &[first, mended]).await.unwrap();
        apply(&backend, &[first, mended]).await.unwrap();
        let mut read = backend.read().await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM two").fetch_one(&mut *read).await.unwrap();
        assert_eq!(rows, 1, "each step is applied once");
        assert!(matches!(apply(&backend, &[first]).await, Err(StoreError::Newer(_))), "an older program");
        let edited = ("0002_two.sql", "CREATE TABLE two (b TEXT);");
        assert!(matches!(apply(&backend, &[first, edited]).await, Err(StoreError::Newer(_))));
    }
}
