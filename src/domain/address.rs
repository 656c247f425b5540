//! What an e-mail address says before it is hashed: whose it is, however it is spelt, and whether it can be anybody's.
//! Nothing of it is kept here.

/// Domains nobody can have, and those below them (RFC 2606, RFC 6761).
const RESERVED: [&str; 7] = ["test", "example", "invalid", "localhost", "example.com", "example.net", "example.org"];

/// Where dots in the part before the `@` mean nothing, and the name all such addresses go by.
const DOTLESS: [&str; 2] = ["gmail.com", "googlemail.com"];

/// An e-mail address in its parts, in small letters.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Takes an address apart; `None` for what is none. Whether somebody reads it is not known here.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let (local, domain) = text.rsplit_once('@')?;
        let domain = domain.trim_end_matches('.');
        let odd = |c: char| c.is_whitespace() || c.is_control();
        let whole = !local.is_empty() && !domain.is_empty() && !local.contains(odd) && !domain.contains(odd);
        whole.then(|| Self { local: local.to_owned(), domain: domain.to_owned() })
    }

    /// The part behind the `@`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// All spellings of one mailbox as one text: without what follows a `+`, and at Gmail without dots. Two people who
    /// share a mailbox count as one; nobody counts twice for a spelling.
    pub fn mailbox(&self) -> String {
        let local = self.local.split('+').next().filter(|local| !local.is_empty()).unwrap_or(&self.local);
        if DOTLESS.contains(&self.domain.as_str()) {
            format!("{}@{}", local.replace('.', ""), DOTLESS[0])
        } else {
            format!("{local}@{}", self.domain)
        }
    }

    /// Whether it was made up to try a form: a domain that nobody can have, or a `+test` before the `@`.
    pub fn is_made_up(&self) -> bool {
        let reserved = |name: &&str| self.is_below(name);
        let mut tags = self.local.split('+').skip(1);
        RESERVED.iter().any(reserved) || tags.any(|tag| tag == "test" || tag.starts_with("test-"))
    }

    /// Whether its domain is this one, or lies below it.
    fn is_below(&self, domain: &str) -> bool {
        self.parents().any(|parent| parent == domain)
    }

    /// Its domain and those above it: `mail.eu.example.com`, `eu.example.com`, `example.com`, `com`.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        let dots = self.domain.match_indices('.').map(|(dot, _)| dot + 1);
        std::iter::once(0).chain(dots).map(|from| &self.domain[from..])
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address(…)")
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(text: &str) -> Option<String> {
        Address::parse(text).map(|address| address.mailbox())
    }

    #[test]
    fn all_spellings_of_a_mailbox_are_one() {
        for text in ["ann.lee@gmail.com", " AnnLee+cats@GMail.com ", "a.n.n.l.e.e@googlemail.com", "annlee@gmail.com."]
        {
            assert_eq!(mailbox(text).as_deref(), Some("annlee@gmail.com"), "{text}");
        }
        assert_eq!(
            mailbox("ann.lee@acme.io").as_deref(),
            Some("ann.lee@acme.io"),
            "a dot elsewhere is another mailbox"
        );
        assert_eq!(mailbox("+cats@acme.io").as_deref(), Some("+cats@acme.io"));
        assert_eq!(mailbox("\"a@b\"@acme.io").as_deref(), Some("\"a@b\"@acme.io"));
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in ["", "@", "ann", "ann@", "@acme.io", "ann lee@acme.io", "ann@ac me.io", "ann\u{0}@acme.io", "ann@."]
        {
            assert_eq!(mailbox(text), None, "{text:?}");
        }
    }

    #[test]
    fn addresses_that_nobody_can_have_are_made_up() {
        for text in
            ["a@example.com", "a@mail.example.org", "a@x.test", "a@localhost", "ann+test@acme.io", "a+b+test-3@c.io"]
        {
            assert!(Address::parse(text).unwrap().is_made_up(), "{text}");
        }
        for text in ["a@contest.com", "test@acme.io", "ann+testing@acme.io", "a@examples.com", "a@example.company"] {
            assert!(!Address::parse(text).unwrap().is_made_up(), "{text}");
        }
    }
}
