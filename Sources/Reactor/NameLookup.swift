import CReactor

/// Looks names up for who wants all of their addresses. Connections look theirs up by themselves.
public struct NameLookup: Sendable {
  /// A name has no address, or nobody could tell.
  public struct Failure: Error, Equatable, Sendable {
    /// For people.
    public let text: String

    public init(_ text: String) { self.text = text }
  }

  public typealias Answer = Result<[String], Failure>

  /// Begins to look a name up. The numeric addresses, or why there are none, come later, once, on any thread.
  public let begin: @Sendable (_ name: String, _ done: @escaping @Sendable (Answer) -> Void) -> Void

  public init(_ begin: @escaping @Sendable (String, @escaping @Sendable (Answer) -> Void) -> Void) {
    self.begin = begin
  }

  /// By the system's resolver, which may take long: each name on a thread that lives as long as that.
  public static let system = NameLookup { name, done in
    if !Thread.begin(name: "sluice-names", { done(find(name)) }) {
      done(.failure(Failure("there is no thread for it")))
    }
  }

  /// The most addresses of a name that are told.
  private static let most = 256

  /// Blocks the calling thread.
  static func find(_ name: String) -> Answer {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: most * Int(CR_NAMES_ADDRESS)) { text in
      let status = unsafe cr_names_find(name, text.baseAddress, text.count)
      guard status == 0 else {
        let error = ReactorError(cr_error(domain: UInt16(CR_DOMAIN_RESOLVER.rawValue), code: status))
        return .failure(Failure(error.description))
      }
      return .success(unsafe String(cString: text.baseAddress!).split(separator: " ").map(String.init))
    }
  }
}
