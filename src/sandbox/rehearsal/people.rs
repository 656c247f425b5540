//! The form, booking and mail tools of a rehearsal: each counts the people of one concept in its own way.

use std::fmt::Write as _;

use super::super::{Endpoint, Sandbox, calendly, google_forms, hubspot, jotform, mailchimp, surveymonkey, tally};

/// What one tool adds to the configuration.
pub(super) struct Tool {
    /// Name of its source.
    pub(super) source: &'static str,
    /// What it counts.
    pub(super) act: &'static str,
    /// What its connector is called; a program that has no such connector leaves the tool out.
    pub(super) connector: &'static str,
    /// Where it answers.
    pub(super) api: Endpoint,
    /// What it takes besides a token, as the configuration writes it; given the form.
    settings: fn(&str) -> String,
    /// The login it shares with a platform; `None` where a token is given once.
    login: Option<&'static str>,
    /// Whether its connector has a pace of its own, which a rehearsal need not keep.
    paced: bool,
}

/// Every tool. A new one is a line here.
pub(super) const TOOLS: [Tool; 10] = [
    Tool {
        source: "tally",
        act: "signups",
        connector: "tally",
        api: Endpoint::Tally,
        settings: |form| {
            let [arm, email] = tally::QUESTIONS;
            format!("form_id = \"{form}\", arm_question = \"{arm}\", email_question = \"{email}\"")
        },
        login: None,
        paced: true,
    },
    Tool {
        source: "jotform",
        act: "signups",
        connector: "jotform",
        api: Endpoint::Jotform,
        settings: |form| format!("form_id = \"{}\", zone = \"{}\"", jotform::form_number(form), jotform::ZONE),
        login: None,
        paced: false,
    },
    Tool {
        source: "google-form",
        act: "signups",
        connector: "google_forms",
        api: Endpoint::GoogleForms,
        settings: |form| format!("form_id = \"{form}\", arm_question = \"{}\"", google_forms::ARM_QUESTION),
        login: Some("search"),
        paced: true,
    },
    Tool {
        source: "survey",
        act: "signups",
        connector: "surveymonkey",
        api: Endpoint::Surveymonkey,
        settings: |form| {
            let (survey, email) = (surveymonkey::survey_number(form), surveymonkey::EMAIL_QUESTION);
            format!("survey_id = \"{survey}\", email_question = \"{email}\"")
        },
        login: None,
        paced: true,
    },
    Tool {
        source: "hubspot-form",
        act: "signups",
        connector: "hubspot_forms",
        api: Endpoint::Hubspot,
        settings: |form| format!("form_id = \"{}\"", hubspot::guid(form)),
        login: None,
        paced: true,
    },
    Tool {
        source: "contacts",
        act: "signups",
        connector: "hubspot_contacts",
        api: Endpoint::Hubspot,
        settings: |_| String::new(),
        login: None,
        paced: true,
    },
    Tool {
        source: "meetings",
        act: "demos",
        connector: "hubspot_meetings",
        api: Endpoint::Hubspot,
        settings: |_| String::new(),
        login: None,
        paced: true,
    },
    Tool {
        source: "deals",
        act: "orders",
        connector: "hubspot_deals",
        api: Endpoint::Hubspot,
        settings: |_| "arm_property = \"concept\"".to_owned(),
        login: None,
        paced: true,
    },
    Tool {
        source: "bookings",
        act: "signups",
        connector: "calendly",
        api: Endpoint::Calendly,
        settings: |_| format!("organization = \"{}\"", calendly::ORGANIZATION),
        login: None,
        paced: true,
    },
    Tool {
        source: "audience",
        act: "signups",
        connector: "mailchimp",
        api: Endpoint::Mailchimp,
        settings: |form| format!("list_id = \"{form}\", dc = \"us19\", source = \"{}\"", mailchimp::FORM_SOURCE),
        login: None,
        paced: false,
    },
];

impl Tool {
    /// Its `[source.…]`; keys of `aside` are other concepts'.
    pub(super) fn table(&self, sandbox: &Sandbox, form: &str, aside: &[String]) -> String {
        let Self { source, connector, .. } = self;
        let mut settings = vec![(self.settings)(form)];
        let mut text = format!("\n[source.{source}]\nconnector = \"{connector}\"\n");
        match self.login {
            Some(login) => {
                let _ = writeln!(text, "login     = \"{login}\"");
            }
            None => settings.push(format!("token = \"file:secrets/{source}-token\"")),
        }
        settings.push(format!("base_url = \"{}\"", sandbox.url(self.api)));
        if self.paced {
            settings.push("per_second = \"1000\"".to_owned());
        }
        settings.retain(|setting| !setting.is_empty());
        let _ = writeln!(
            text,
            "settings  = {{ {} }}\nset_aside = [{}]",
            settings.join(", "),
            aside.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ")
        );
        text
    }

    /// Name and value of the secret that is its own.
    pub(super) fn secret(&self, sandbox: &Sandbox) -> Option<(String, String)> {
        self.login.is_none().then(|| (format!("{}-token", self.source), sandbox.api_token(self.api)))
    }
}
