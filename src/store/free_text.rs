//! What people wrote freely, kept for [`KEPT_DAYS`] days after they wrote it and as last read: no verdict looks at it. Not
//! the answers that rules read: those are part of a response.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use sqlx::any::AnyArguments;
use sqlx::{Arguments, Row};

use super::Store;
use super::bulk::Bulk;
use super::columns;
use super::error::StoreError;
use super::stage::StagedResponse;
use super::transaction::Connection;
use crate::domain::id::SourceId;
use crate::domain::response::{Answers, FreeText};

/// How long free text is kept, counted from when it was written.
pub const KEPT_DAYS: i64 = 90;

/// Puts what was written in place of what is stored of some responses, without what is too old to keep.
pub(super) async fn keep(
    connection: &mut Connection,
    (source, now): (&SourceId, DateTime<Utc>),
    responses: &BTreeMap<String, StagedResponse>,
    said: BTreeMap<String, Answers>,
) -> Result<(), StoreError> {
    let source = source.as_str();
    let first = oldest(now);
    let ids: Vec<&str> = responses.keys().map(String::as_str).collect();
    let of_source = |to: &mut AnyArguments| to.add(source);
    Bulk::new("DELETE FROM free_text WHERE source_id = ? AND response_id IN (VALUES ", 1, ")")
        .execute(connection, &ids, of_source, |to, &id| to.add(id))
        .await?;
    let dated = said.iter().filter_map(|(id, answers)| Some((id, answers, responses.get(id)?.at)));
    let rows: Vec<_> = dated
        .filter(|&(_, _, at)| at >= first)
        .flat_map(|(id, answers, at)| answers.iter().map(move |(name, text)| (id.as_str(), name, at, text)))
        .collect();
    Bulk::insert("free_text", &["source_id"], &["response_id", "name", "at", "said"], "")
        .execute(connection, &rows, of_source, |to, &(id, name, at, text)| {
            to.add(id)?;
            to.add(name)?;
            to.add(at)?;
            to.add(text)
        })
        .await?;
    expire(connection, first).await
}

/// Deletes what was written in responses that the source no longer has.
pub(super) async fn drop_of_nobody(connection: &mut Connection, source: &SourceId) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM free_text WHERE source_id = $1 AND NOT EXISTS (SELECT 1 FROM response \
         WHERE response.source_id = free_text.source_id AND response.response_id = free_text.response_id)",
    )
    .bind(source.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

fn oldest(now: DateTime<Utc>) -> i64 {
    (now - Duration::days(KEPT_DAYS)).timestamp_millis()
}

async fn expire(connection: &mut Connection, first: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM free_text WHERE at < $1").bind(first).execute(connection).await?;
    Ok(())
}

impl Store {
    /// Deletes what was written freely more than 90 days ago, from the log too where no other process reads it.
    pub async fn expire_free_text(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let first = oldest(now);
        let any: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM (SELECT 1 FROM free_text WHERE at < $1 LIMIT 1) AS old")
                .bind(first)
                .fetch_one(&mut *self.backend.read().await?)
                .await?;
        if any == 0 {
            return Ok(());
        }
        let mut write = self.backend.write().await?;
        expire(&mut write, first).await?;
        write.commit().await?;
        // What was deleted is overwritten in the file; the log is emptied by the next call at the latest.
        self.backend.empty_log().await.map(|_| ())
    }

    /// What people wrote freely, in order of source, response and question, without what is too old to be kept.
    pub async fn free_text(&self, sources: &[SourceId], now: DateTime<Utc>) -> Result<Vec<FreeText>, StoreError> {
        let mut read = self.backend.read().await?;
        let mut found = Vec::new();
        for source in sources {
            let rows = sqlx::query(
                "SELECT free_text.response_id, name, free_text.at, said, COALESCE(arm_key, '') AS arm_key FROM free_text \
                 LEFT JOIN response ON response.source_id = free_text.source_id \
                 AND response.response_id = free_text.response_id \
                 WHERE free_text.source_id = $1 AND free_text.at >= $2 ORDER BY free_text.response_id, name",
            )
            .bind(source.as_str())
            .bind(oldest(now))
            .fetch_all(&mut *read)
            .await?;
            for row in rows {
                found.push(FreeText {
                    source: source.clone(),
                    question: row.try_get("name")?,
                    arm_key: row.try_get("arm_key")?,
                    at: columns::instant(row.try_get("at")?)?,
                    text: row.try_get("said")?,
                });
            }
        }
        Ok(found)
    }
}
