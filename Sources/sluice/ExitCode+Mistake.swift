import ArgumentParser

extension ExitCode {
  /// A file, a flag or a variable has to be corrected before it makes sense to try again.
  static let mistake = ExitCode(2)
}
