//! The versions of Kubernetes that a cluster can behave like, and in what they differ.

/// The version of Kubernetes whose behaviour a cluster has. The older one is the lesser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.30.14: from before the checks of a Job's status, and before the conditions that announce
    /// an end.
    V1_30,
    /// 1.36.3
    V1_36,
    /// 1.37.2: what it does with Jobs is what 1.36 does.
    #[default]
    V1_37,
}

impl Version {
    /// The version as Kubernetes' tags write it: `v1.36.3`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::V1_30 => "v1.30.14",
            Self::V1_36 => "v1.36.3",
            Self::V1_37 => "v1.37.2",
        }
    }

    /// The minor version, as `/version` has it.
    pub(crate) fn minor(self) -> &'static str {
        match self {
            Self::V1_30 => "30",
            Self::V1_36 => "36",
            Self::V1_37 => "37",
        }
    }

    fn is_new(self) -> bool {
        self >= Self::V1_36
    }

    /// Whether the server has the fields `successPolicy` and `managedBy` of a Job. An older one has
    /// them behind gates that are closed, and drops them without a word.
    pub(crate) fn has_success_policy(self) -> bool {
        self.is_new()
    }

    /// Whether a change of a Job's status has to make sense (the gate `JobManagedBy`, open since
    /// 1.32).
    pub(crate) fn checks_status(self) -> bool {
        self.is_new()
    }

    /// Whether resources in the template of a suspended Job may change, which is also when a Job
    /// that is suspended loses its start time (the gates `MutablePodResourcesForSuspendedJobs` and
    /// `MutableSchedulingDirectivesForSuspendedJobs`).
    pub(crate) fn frees_suspended_jobs(self) -> bool {
        self.is_new()
    }

    /// Whether a Job that ends has `SuccessCriteriaMet` or `FailureTarget` first, and `Complete` or
    /// `Failed` when its pods are gone (since 1.31). An older controller has the first two only
    /// where a policy gave the reason.
    pub(crate) fn announces_ends(self) -> bool {
        self.is_new()
    }

    /// Whether the pods that the controller deletes at a look leave `ready` and join `terminating`
    /// at the same look, rather than at the next.
    pub(crate) fn counts_deletions_at_once(self) -> bool {
        self.is_new()
    }

    /// Whether `active` is right while the controller waits before it replaces a failed pod. An
    /// older one writes 0.
    pub(crate) fn counts_active_in_backoff(self) -> bool {
        self.is_new()
    }

    /// Whether pods have a generation.
    pub(crate) fn has_pod_generations(self) -> bool {
        self.is_new()
    }
}
