//! `kubectl federate`: start-up and exit code, nothing else.

fn main() -> std::process::ExitCode {
    kubectl_federate::main()
}
