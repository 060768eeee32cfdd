//! Measures, as the arguments say.

fn main() -> std::process::ExitCode {
    bench::main()
}
