//! The policy each hardening level is verified with. Pure.

use crate::profile::Level;
use crate::verify::Policy;

/// Name of the policy a hardening level is verified with.
pub fn policy_name(level: Level) -> &'static str {
    match level {
        Level::Openstack => "quench-openstack",
        Level::Baseline => "quench-baseline",
        Level::Strict => "quench-strict",
        Level::Cfi => "quench-cfi",
    }
}

/// The policy a hardening level is verified with.
pub fn policy_for(level: Level) -> Policy {
    // Shipped policies are read in a test; an empty one would demand nothing, so it is never passed on silently.
    Policy::named(policy_name(level))
        .unwrap_or_else(|| Policy::demand_everything(policy_name(level)))
}
