//! The part of the checks that is about reports a vendor prepares.

use std::collections::BTreeSet;

use serde_spanned::Spanned;

use super::super::fill::{Hole, Special};
use super::super::raw::{RawReport, RawRequest};
use super::super::report::{Report, States};
use super::super::unpack::Packing;
use super::{Check, Place};

impl Check<'_, '_> {
    /// Reads `[report]`; `submit` is the call that hands it in.
    pub(super) fn report(&mut self, raw: &Spanned<RawReport>, submit: Option<&RawRequest>) -> Option<Report> {
        let (span, raw) = (raw.span(), raw.get_ref());
        // Headers that name a version or an account go along.
        let mut poll = raw.poll.get_ref().clone();
        for (name, value) in submit.into_iter().flat_map(|submit| &submit.header) {
            poll.header.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let poll = self.request_like(&poll, &[Special::Job]);
        if poll.as_ref().is_some_and(|poll| !poll.holes().any(|hole| *hole == Hole::Job)) {
            self.wrong::<()>(raw.poll.span(), "it asks after no job: write `{job}` in its address, query or body");
        }
        let (job, status, download) = (self.path(&raw.job), self.path(&raw.status), self.path(&raw.download));
        let words = [&raw.waiting, &raw.done, &raw.failed, &raw.gone];
        let all: BTreeSet<_> = words.iter().copied().flatten().collect();
        if raw.done.is_empty() || all.len() < words.iter().map(|words| words.len()).sum() {
            self.wrong::<()>(span, "each word of a status stands in one of `waiting`, `done`, `failed` and `gone`; `done` has one at least");
        }
        let (every, within) = (self.duration(&raw.every), self.duration(&raw.within));
        let hosts: Option<Vec<_>> = raw
            .hosts
            .get_ref()
            .iter()
            .map(|host| {
                let template = self.template(&Spanned::new(raw.hosts.span(), host.clone()), Place::Request)?;
                let Some(name) = template.only_setting().filter(|name| *name != "api_version") else {
                    let advice =
                        "a host is a setting whose default is the address of the download: `\"{download_url}\"`";
                    return self.wrong(raw.hosts.span(), advice);
                };
                self.addresses.insert(name.to_owned());
                Some(name.to_owned())
            })
            .collect();
        let csv = self.one_of(&raw.format, &["json", "csv"]).map(|position| position == 1);
        let packed = match &raw.packed {
            Some(packed) => {
                [Packing::None, Packing::Gzip, Packing::Zip][self.one_of(packed, &["none", "gzip", "zip"])?]
            }
            None => Packing::None,
        };
        let [waiting, done, failed, gone] = words.map(Clone::clone);
        Some(Report {
            job: job?,
            poll: poll?,
            status: status?,
            states: States { waiting, done, failed, gone },
            every: every?,
            within: within?,
            download: download?,
            empty: raw.empty,
            hosts: hosts?,
            csv: csv?,
            packed,
        })
    }
}
