//! Versions of Kubernetes, and those that the tests run on; pure.

/// The oldest and the newest minor version of Kubernetes that the tests run on.
pub const TESTED: [Minor; 2] = [Minor(1, 30), Minor(1, 37)];

/// A minor version of Kubernetes: major and minor number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minor(pub u32, pub u32);

impl Minor {
    /// The minor version in a `gitVersion` such as `v1.36.3` or `v1.33.1-eks-1234`. None for a text
    /// of another form.
    pub fn of(git_version: &str) -> Option<Self> {
        let mut numbers = git_version.strip_prefix('v')?.split('.');
        let major = numbers.next()?.parse().ok()?;
        // Builds between releases have a minor version like `37+`.
        let minor = numbers.next()?.trim_end_matches('+').parse().ok()?;
        Some(Self(major, minor))
    }

    /// Whether the tests run on servers that are not older and servers that are not newer.
    pub fn is_tested(self) -> bool {
        let [oldest, newest] = TESTED;
        (oldest..=newest).contains(&self)
    }
}

impl std::fmt::Display for Minor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "v{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_tested_is_what_the_control_planes_are() {
        let versions = [real::Version::OLDEST, real::Version::NEWEST];
        assert_eq!(versions.map(|version| Minor::of(version.tag())), TESTED.map(Some));
    }

    #[test]
    fn the_minor_version_is_in_the_git_version() {
        for (text, minor, tested) in [
            ("v1.36.3", Some(Minor(1, 36)), true),
            ("v1.30.0-rc.1", Some(Minor(1, 30)), true),
            ("v1.33.1-eks-a737599", Some(Minor(1, 33)), true),
            ("v1.29.15", Some(Minor(1, 29)), false),
            ("v1.37+.0", Some(Minor(1, 37)), true),
            ("v1.38+.0", Some(Minor(1, 38)), false),
            ("v2.31.0", Some(Minor(2, 31)), false),
            ("1.36.3", None, false),
            ("master", None, false),
        ] {
            assert_eq!(Minor::of(text), minor, "{text}");
            assert_eq!(Minor::of(text).is_some_and(Minor::is_tested), tested, "{text}");
        }
    }
}
