//! Reports that vendors are still preparing, found again after a restart. Not what they hold.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;

use super::Store;
use super::columns;
use super::error::StoreError;
use crate::domain::connector::{JobBook, JobError, ReportJob};
use crate::domain::id::SourceId;

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl Store {
    async fn job(&self, source: &SourceId, request: &str) -> Result<Option<ReportJob>, StoreError> {
        let mut read = self.backend.read().await?;
        let row = sqlx::query("SELECT job, asked_at FROM report_job WHERE source_id = $1 AND request = $2")
            .bind(source.as_str())
            .bind(request)
            .fetch_optional(&mut *read)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let asked_at = DateTime::<Utc>::from_timestamp_millis(row.try_get(1)?);
        let asked_at = asked_at.ok_or_else(|| columns::unreadable("the instant of a report"))?;
        Ok(Some(ReportJob { id: row.try_get(0)?, asked_at }))
    }

    async fn put_job(&self, source: &SourceId, request: &str, job: Option<&ReportJob>) -> Result<(), StoreError> {
        let mut write = self.backend.write().await?;
        sqlx::query("DELETE FROM report_job WHERE source_id = $1 AND request = $2")
            .bind(source.as_str())
            .bind(request)
            .execute(&mut *write)
            .await?;
        if let Some(job) = job {
            sqlx::query("INSERT INTO report_job (source_id, request, job, asked_at) VALUES ($1, $2, $3, $4)")
                .bind(source.as_str())
                .bind(request)
                .bind(&job.id)
                .bind(job.asked_at.timestamp_millis())
                .execute(&mut *write)
                .await?;
        }
        write.commit().await
    }
}

#[async_trait]
impl JobBook for Store {
    async fn load(&self, source: &SourceId, request: &str) -> Result<Option<ReportJob>, JobError> {
        Ok(self.job(source, request).await?)
    }

    async fn save(&self, source: &SourceId, request: &str, job: &ReportJob) -> Result<(), JobError> {
        Ok(self.put_job(source, request, Some(job)).await?)
    }

    async fn forget(&self, source: &SourceId, request: &str) -> Result<(), JobError> {
        Ok(self.put_job(source, request, None).await?)
    }
}
