//! Names that must not be mixed up: a concept is not an arm, a source is not a login. They stand in every row, so copies
//! share one text.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the name as it stands; the configuration check has already refused bad ones.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as written in the user's file.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self::new(name)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// KEY of `[experiment.KEY]`: what commands call `<concept>`.
    ConceptId
);
name_type!(
    /// KEY of `[experiment.X.arm.KEY]`.
    ArmId
);
name_type!(
    /// KEY of `[source.KEY]`: one configured use of a connector, one account.
    SourceId
);
name_type!(
    /// KEY of `[login.KEY]`: client id and secret that several sources may share.
    LoginId
);
name_type!(
    /// KEY of `[notify.KEY.…]`: one place messages go to.
    DestinationId
);
