//! Which roles are offered.

use fastcgi_codec::Role;

/// A set of the roles that the specification defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// No role at all.
    pub const NONE: Self = Self(0);
    /// What a web application is without more words.
    pub const RESPONDER: Self = Self::NONE.with(Role::Responder);

    /// These and `role`; nothing more if the specification does not define it.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | bit(role))
    }

    /// Whether `role` is among them.
    pub const fn offers(self, role: Role) -> bool {
        self.0 & bit(role) != 0
    }
}

const fn bit(role: Role) -> u8 {
    match role {
        Role::Responder => 1,
        Role::Authorizer => 2,
        Role::Filter => 4,
        Role::Other(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_roles_are_offered() {
        let both = Roles::NONE.with(Role::Authorizer).with(Role::Filter).with(Role::Other(1));
        let offered = |roles: Roles| {
            [Role::Responder, Role::Authorizer, Role::Filter, Role::Other(0), Role::Other(4)].map(|role| roles.offers(role))
        };
        assert_eq!(offered(Roles::NONE), [false; 5]);
        assert_eq!(offered(Roles::RESPONDER), [true, false, false, false, false]);
        assert_eq!(offered(both), [false, true, true, false, false]);
    }
}
